-- For wrk: sends the bytes of a file as each request, and says in one line of JSON what came of it.
local request_bytes

function init(args)
  local file = assert(io.open(args[1], "rb"))
  request_bytes = file:read("*a")
  file:close()
end

function request()
  return request_bytes
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '{"requests": %d, "microseconds": %d, "bytes": %d, "p50": %d, "p99": %d, "status": %d, "broken": %d}',
    summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
