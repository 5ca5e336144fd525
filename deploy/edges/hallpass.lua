-- Hallpass with HAProxy (2.5 or newer, built with Lua): asks the satellite about each request.
--
--   global
--       lua-load-per-thread /etc/haproxy/hallpass.lua
--   frontend ...
--       http-request lua.hallpass hallpass
--       http-request deny deny_status 503 unless { var(txn.hallpass_passed) -m str yes }
--   backend hallpass
--       server one 127.0.0.1:9400 check
--
-- The argument is the backend with the satellites: the first that is up is asked, and the next if it does not answer. See
-- haproxy.cfg beside this file for the lines around it: what a client must not tell is deleted before, and the cookies are
-- added after.
--
-- Why a module of our own: HAProxy can ask by itself (core.httpclient), and keeps lines of one name apart. Whatever goes
-- wrong in here, `hallpass_passed` is not set, and the deny line closes the door.

-- Of the whole answer, in milliseconds: a renewal asks the backend, whose own limit is 5 seconds.
local PATIENCE = 10000

-- What the satellite decides by. Nothing else of the request is told.
local TOLD = {
    "cookie", "authorization", "accept", "accept-language", "origin", "referer", "user-agent",
    "sec-fetch-dest", "sec-fetch-mode", "sec-fetch-site", "sec-fetch-user", "sec-websocket-key", "sec-websocket-version",
    "x-requested-with",
    "access-control-request-method", "access-control-request-headers",
    "x-request-id", "traceparent", "tracestate", "x-forwarded-for",
}

-- What the app is told when the request passes: each name once, or not at all.
local IDENTITY = { "remote-user", "remote-email", "remote-name", "remote-groups" }

-- As many cookies haproxy.cfg adds to the app's answer. Of more, the last ones count: they keep a session, and those before
-- only take away what is left of another.
local MOST_COOKIES = 8

-- What HAProxy writes itself, for each connection.
local OF_THE_CONNECTION = {
    ["connection"] = true, ["content-length"] = true, ["keep-alive"] = true, ["transfer-encoding"] = true,
}

-- Values of one name, in order: HAProxy counts them from 0.
local function values(headers, name)
    local found, place = {}, 0
    local all = headers and headers[name]
    while all and all[place] do
        found[#found + 1] = all[place]
        place = place + 1
    end
    return found
end

local function question(txn)
    local sent = txn.http:req_get_headers()
    local told = {}
    for _, name in ipairs(TOLD) do
        local all = values(sent, name)
        if #all > 0 then told[name] = all end
    end
    told["x-forwarded-method"] = { txn.f:method() }
    told["x-forwarded-proto"] = values(sent, "x-forwarded-proto")
    told["x-forwarded-host"] = { txn.f:req_hdr("host") }
    told["x-forwarded-uri"] = { txn.f:pathq() }
    -- With the setting `secret_file`; `setenv` or `presetenv` of HAProxy, or its service, sets the variable.
    local secret = os.getenv("HALLPASS_EDGE_SECRET")
    if secret then told["x-hallpass-proxy-secret"] = { secret } end
    return told
end

-- Where the satellites are, in the order of their names, without those that are known to be down.
local function addresses(backend)
    local names, found = {}, {}
    local servers = core.backends[backend].servers
    for name in pairs(servers) do names[#names + 1] = name end
    table.sort(names)
    for _, name in ipairs(names) do
        local state = servers[name]:get_stats().status
        if state:find("^UP") or state == "no check" then found[#found + 1] = "http://" .. servers[name]:get_addr() end
    end
    return found
end

-- Every answer of a satellite is not to be kept. One without that is HAProxy's own, about a satellite that is not there.
local function is_of_satellite(answer)
    return table.concat(values(answer.headers, "cache-control")):find("no-store", 1, true) ~= nil
end

-- The first answer there is.
local function ask(backend, told)
    for _, address in ipairs(addresses(backend)) do
        local answer = core.httpclient():get { url = address .. "/auth/haproxy", headers = told, timeout = PATIENCE }
        if answer and is_of_satellite(answer) then return answer end
        core.Warning("hallpass: no answer from " .. address)
    end
    return nil
end

local function pass(txn, answer)
    local said = answer.headers
    for _, name in ipairs(IDENTITY) do
        local all = values(said, name)
        txn.http:req_del_header(name)
        if #all == 1 and all[1] ~= "" then txn.http:req_set_header(name, all[1]) end
    end
    -- The client's cookies without the session.
    txn.http:req_del_header("cookie")
    local cookies = table.concat(values(said, "cookie"), "; ")
    if cookies ~= "" then txn.http:req_set_header("cookie", cookies) end
    local lines = values(said, "set-cookie")
    local left_out = math.max(#lines - MOST_COOKIES, 0)
    for place = left_out + 1, #lines do
        txn:set_var("txn.hallpass_cookie_" .. place - left_out, lines[place])
    end
    txn:set_var("txn.hallpass_passed", "yes")
end

local function refuse(txn, status, headers, body)
    local reply = txn:reply { status = status }
    for name in pairs(headers) do
        if not OF_THE_CONNECTION[name] then
            for _, value in ipairs(values(headers, name)) do reply:add_header(name, value) end
        end
    end
    if txn.f:method() ~= "HEAD" then reply:set_body(body or "") end
    txn:done(reply)
end

core.register_action("hallpass", { "http-req" }, function(txn, backend)
    local answer = ask(backend, question(txn))
    if not answer then
        local headers = {
            ["content-type"] = { [0] = "application/problem+json" },
            ["cache-control"] = { [0] = "no-store" },
            ["retry-after"] = { [0] = "2" },
        }
        local body = '{"type":"about:blank","title":"Service Unavailable","status":503,"code":"Unavailable"}'
        return refuse(txn, 503, headers, body)
    end
    if answer.status == 200 then return pass(txn, answer) end
    return refuse(txn, answer.status, answer.headers, answer.body)
end, 1)
