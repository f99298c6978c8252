// npm's oidc-provider as a server for the tests: a provider nobody here wrote.
//
// Lines of JSON on standard input are commands, each answered by one line on standard output; the
// server ends when the input does.
//
//   {"start": {"port": 0}}                          -> {"issuer": "http://localhost:40123"}
//   {"client": {"client_id": "…", …}}               -> {"ok": true}     register or replace one
//   {"account": {"id": "jo", "claims": {"sub": …}}} -> {"ok": true}     add or replace one
//   {"account": {"id": "jo", "claims": null}}       -> {"ok": true}     switch one off
//   {"roll": {}}                                    -> {"kid": "…"}     a new signing key, at once
//   {"granted": {"client_id": "…"}}                 -> {"granted": […]} its tokens so far, in order
//   {"revoke": {"client_id": "…", "account": "jo"}} -> {"revoked": 1}   what it may do for somebody
//
// The interaction page is our own: it signs in the account that `login_hint` names (its id or its
// email), else it lets one pick.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

import Provider, { interactionPolicy } from 'oidc-provider';
import MemoryAdapter from 'oidc-provider/lib/adapters/memory_adapter.js';

// Standard output is for answers; oidc-provider writes its warnings there.
console.log = console.error;
console.info = console.error;
console.warn = console.error;

const clients = new Map();
const accounts = new Map();
const granted = [];
const cookieKeys = [randomBytes(32).toString('hex')];

// Clients come and go while the server runs, because a gateway's port is known only then.
class Adapter extends MemoryAdapter {
  async find(id) {
    return this.model === 'Client' ? clients.get(id) : super.find(id);
  }
}

function signingKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const kid = randomBytes(8).toString('hex');
  return { ...privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' };
}

function interactions() {
  const policy = interactionPolicy.base();
  policy.add(new interactionPolicy.Prompt({ name: 'select_account', requestable: true }), 0);
  return { policy, url: (ctx, interaction) => `/interaction/${interaction.uid}` };
}

// Everybody agreed to everything: these tests are about who somebody is.
async function consent(ctx) {
  const grant = new ctx.oidc.provider.Grant({
    clientId: ctx.oidc.client.clientId,
    accountId: ctx.oidc.session.accountId,
  });
  grant.addOIDCScope('openid email profile offline_access');
  await grant.save();
  return grant;
}

function findAccount(ctx, id) {
  const claims = accounts.get(id);
  // `sub` is the account's own: ids are for the tests' eyes.
  return claims && { accountId: id, claims: async () => ({ ...claims, sub: id }) };
}

// Asks as the provider's own page does, with a button for each answer.
async function logoutSource(ctx, form) {
  ctx.body = `<!doctype html><title>Sign out</title>${form.replace('</form>', `
<button name="logout" value="yes">Sign out</button> <button>Stay</button></form>`)}`;
}

// What the token endpoint was asked, and what it gave.
function note({ oidc, body, req }, error) {
  granted.push({
    client: oidc.client?.clientId,
    account: oidc.entities.Account?.accountId,
    grant: oidc.entities.Grant?.jti,
    type: oidc.params?.grant_type,
    used: oidc.params?.refresh_token ?? null,
    given: error ? null : body.refresh_token ?? null,
    error: error?.error ?? null,
    port: req.socket.remotePort,
  });
}

function makeProvider(issuer, key) {
  const provider = new Provider(issuer, {
    adapter: Adapter,
    jwks: { keys: [key] },
    cookies: { keys: cookieKeys },
    claims: {
      openid: ['sub'],
      email: ['email', 'email_verified', 'hd'],
      profile: ['name'],
    },
    // As Google does: the claims are in the ID token, not only at the userinfo endpoint.
    conformIdTokenClaims: false,
    features: {
      backchannelLogout: { enabled: true },
      claimsParameter: { enabled: true },
      devInteractions: { enabled: false },
      rpInitiatedLogout: { enabled: true, logoutSource },
    },
    // Applications are on this machine here, which it rightly refuses to call elsewhere.
    fetch: (url, { dispatcher, ...options }) => fetch(url, options),
    findAccount,
    interactions: interactions(),
    // Google gives one for `access_type=offline`, and knows no scope `offline_access`.
    issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
    loadExistingGrant: consent,
    pkce: { required: () => true },
    // The strictest there is: each refresh token works once, and using one twice ends them all.
    rotateRefreshToken: true,
  });
  provider.on('grant.success', note);
  provider.on('grant.error', note);
  provider.on('server_error', (ctx, error) => console.error(error));
  provider.on('backchannel.error', (ctx, error) => console.error(error));
  return provider;
}

const escaped = (text) => String(text).replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);

function page() {
  const buttons = [...accounts].map(([id, claims]) => (
    `<p><button name="account" value="${escaped(id)}">${escaped(claims.name ?? id)}</button></p>`
  ));
  return `<!doctype html><title>Pick an account</title><h1>Pick an account</h1>
<form method="post">${buttons.join('')}
<button name="account" value="">Cancel</button></form>`;
}

const named = (hint) => [...accounts].find(([id, claims]) => hint && [id, claims.email].includes(hint))?.[0];

async function body(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return new URLSearchParams(text);
}

async function interact(provider, request, response) {
  const { params, prompt } = await provider.interactionDetails(request, response);
  const picked = request.method === 'POST' ? (await body(request)).get('account') : named(params.login_hint);
  if (picked === undefined) {
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', 'Cache-Control': 'no-store' });
    response.end(page());
    return;
  }
  const result = accounts.has(picked)
    ? { login: { accountId: picked }, [prompt.name]: { accountId: picked } }
    : { error: 'access_denied' };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

// Its keys are fixed when a provider is made, so another one takes over, with the same storage.
let running;

function roll() {
  const key = signingKey();
  const provider = makeProvider(running.issuer, key);
  running = { issuer: running.issuer, provider, callback: provider.callback() };
  return { kid: key.kid };
}

async function start({ port }) {
  const server = createServer();
  await new Promise((resolve) => { server.listen(port, '127.0.0.1', resolve); });
  const issuer = `http://localhost:${server.address().port}`;
  running = { issuer };
  roll();
  server.on('request', (request, response) => {
    if (!request.url.startsWith('/interaction/')) {
      running.callback(request, response);
      return;
    }
    interact(running.provider, request, response).catch((error) => {
      response.writeHead(400, { 'Content-Type': 'text/plain' });
      response.end(`${error.name}: ${error.message}`);
    });
  });
  return { issuer };
}

const commands = {
  start,
  roll,
  granted: ({ client_id: id }) => ({ granted: granted.filter(({ client }) => client === id) }),
  revoke: async ({ client_id: id, account }) => {
    const grants = granted.filter((each) => each.client === id && each.account === account);
    const ids = [...new Set(grants.map(({ grant }) => grant))];
    const found = await Promise.all(ids.map((grant) => running.provider.Grant.find(grant)));
    await Promise.all(found.filter(Boolean).map((grant) => grant.destroy()));
    return { revoked: found.filter(Boolean).length };
  },
  client: (client) => { clients.set(client.client_id, client); return { ok: true }; },
  account: ({ id, claims }) => {
    if (claims === null) accounts.delete(id);
    else accounts.set(id, claims);
    return { ok: true };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const [[name, value]] = Object.entries(JSON.parse(line));
  process.stdout.write(`${JSON.stringify(await commands[name](value))}\n`);
}
process.exit(0);
