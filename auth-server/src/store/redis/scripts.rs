//! What Redis does in one step each.
//!
//! Why: a lease that is looked at and then taken is taken twice; a script cannot be torn apart. All keys have one hash
//! tag, so that they live together in a cluster, too.

use std::sync::LazyLock;

use redis::Script;

/// Everything of ours begins like this.
pub(super) const PREFIX: &str = "{hallpass}:";

/// Keys: result, lease, its grace time if nobody has claimed it yet. Arguments: own lease, its span (ms), most bytes of a result.
/// Answers: `[1, result]`, `[2, superseded?]` or `[3, ms]`.
pub(super) static CLAIM: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local kept = false
        if redis.call('STRLEN', KEYS[1]) <= tonumber(ARGV[3]) then kept = redis.call('GET', KEYS[1]) end
        if kept and #kept > 0 then
            local grace = redis.call('GET', KEYS[3])
            if grace then
                redis.call('DEL', KEYS[3])
                redis.call('PEXPIRE', KEYS[1], grace)
            end
            return {1, kept}
        end
        local held = redis.call('GET', KEYS[2])
        if held and held ~= ARGV[1] then return {3, redis.call('PTTL', KEYS[2])} end
        redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
        return {2, kept and 1 or 0}
        ",
    )
});

/// Keys: result, lease, what was spent for the spent token, the same for the granted one, the grace time of an unclaimed result.
/// Arguments: own lease, sealed result, how long it stays (ms), prefix of results, spent token, `1` if another was granted, the
/// grace time (ms) if nobody has claimed it yet.
/// Answers 1, or 0 if the lease is another's.
pub(super) static KEEP: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local held = redis.call('GET', KEYS[2])
        if held and held ~= ARGV[1] then return 0 end
        redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
        local before = redis.call('GET', KEYS[3])
        if before then
            redis.call('DEL', KEYS[3])
            redis.call('SET', ARGV[4] .. before, '', 'XX', 'KEEPTTL')
        end
        if ARGV[6] == '1' then redis.call('SET', KEYS[4], ARGV[5], 'PX', ARGV[3]) end
        if ARGV[7] ~= '0' then redis.call('SET', KEYS[5], ARGV[7], 'PX', ARGV[3]) end
        redis.call('DEL', KEYS[2])
        return 1
        ",
    )
});

/// Key: lease. Argument: own lease.
pub(super) static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
        return 0
        ",
    )
});

/// Keys: counters. Arguments: for each its bound and its time (ms). Answers 0, or how long to wait (ms).
pub(super) static COUNT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        for i, key in ipairs(KEYS) do
            if tonumber(redis.call('GET', key) or '0') >= tonumber(ARGV[2 * i - 1]) then
                return math.max(1, redis.call('PTTL', key))
            end
        end
        for i, key in ipairs(KEYS) do
            if redis.call('INCR', key) == 1 then redis.call('PEXPIRE', key, ARGV[2 * i]) end
        end
        return 0
        ",
    )
});

/// Keys: counters.
pub(super) static GIVE_BACK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        for _, key in ipairs(KEYS) do
            local count = tonumber(redis.call('GET', key) or '0')
            if count > 1 then redis.call('DECR', key) else redis.call('DEL', key) end
        end
        return 0
        ",
    )
});

/// Keys: epoch, revocations. Arguments: a new epoch, where to go on (or nothing), how many.
/// Answers the epoch and the entries. An end that lies before where one has read to means that entries were lost: then the
/// epoch is a new one. Nothing is written otherwise, so that a Redis that takes no writes is read all the same.
pub(super) static READ: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local function split(id)
            local ms, seq = string.match(id, '^(%d+)-(%d+)$')
            return tonumber(ms or '0'), tonumber(seq or '0')
        end
        local epoch = redis.call('GET', KEYS[1])
        local lost = not epoch
        if epoch and ARGV[2] ~= '' then
            local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
            local ms, seq = split(last[1] and last[1][1] or '0-0')
            local from, at = split(ARGV[2])
            lost = ms < from or (ms == from and seq < at)
        end
        if lost then
            epoch = ARGV[1]
            redis.call('SET', KEYS[1], epoch)
        end
        local start = '-'
        if ARGV[2] ~= '' then start = '(' .. ARGV[2] end
        return {epoch, redis.call('XRANGE', KEYS[2], start, '+', 'COUNT', ARGV[3])}
        ",
    )
});
