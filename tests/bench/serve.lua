-- SPDX-License-Identifier: GPL-3.0-or-later
-- For wrk: requests for one product after the other, in no order; figures as one line of JSON.
-- Arguments: the path with %s for the product's number (or without), how many products there are, the bearer token.

local path, products, token

function init(args)
  path, products, token = args[1], tonumber(args[2]), args[3]
  if token ~= "" then
    wrk.headers["Authorization"] = "Bearer " .. token
  end
  math.randomseed(8420)
end

function request()
  local number = string.format("%06d", math.random(0, products - 1))
  return wrk.format("GET", (path:gsub("%%s", number)))
end

function done(summary, latency)
  local wrong = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.3f, "bytes": %d, "p50_ms": %.3f, "p99_ms": %.3f, "wrong": %d}\n',
    summary.requests, summary.duration / 1e6, summary.bytes, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, wrong.connect + wrong.read + wrong.write + wrong.status + wrong.timeout))
end
