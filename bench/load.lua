-- For wrk: sends the bytes of a file as each request, and says in one line of JSON what came of it.
-- Where the file has the mark, each request has another number, counted up from the third argument.
local before, after, number

function init(args)
  local file = assert(io.open(args[1], "rb"))
  local request_bytes = file:read("*a")
  file:close()
  local first, last = request_bytes:find(args[2], 1, true)
  before, after = request_bytes, nil
  if first then
    before, after = request_bytes:sub(1, first - 1), request_bytes:sub(last + 1)
  end
  number = tonumber(args[3])
end

function request()
  if not after then
    return before
  end
  number = (number + 1) % 4294967296
  return string.format("%s%08x%s", before, number, after)
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '{"requests": %d, "microseconds": %d, "bytes": %d, "p50": %d, "p99": %d, "status": %d, "broken": %d}',
    summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
