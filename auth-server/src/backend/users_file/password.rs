//! Passwords of a users file: argon2id hashes as PHC strings.
//!
//! Why: whoever reads the file must not have the passwords. The parameters of new hashes are OWASP's; those of a hash
//! in the file are its own, within bounds, so that no entry can eat up the machine.

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version,
    password_hash::phc::{Output, PasswordHash, Salt},
};
use hallpass_shared::{key::digest, secret::Secret};

/// Memory in KiB, passes, lanes (OWASP Password Storage Cheat Sheet).
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);
const MAX_COST: (u32, u32, u32) = (1024 * 1024, 32, 16);
const ALGORITHM: &str = "argon2id";
const VERSION: u32 = 0x13;

/// The password could not be hashed.
#[derive(Debug, thiserror::Error)]
#[error("the password could not be hashed")]
pub struct HashError(#[source] argon2::password_hash::Error);

/// The hash of a password, for a users file. Takes a moment and 19 MiB: not for async code.
///
/// # Errors
/// [`HashError`] if the system has no random bytes or no memory.
pub fn hash_password(password: &Secret) -> Result<String, HashError> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None).map_err(|error| HashError(error.into()))?;
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash: PasswordHash = hasher.hash_password(password.expose().as_bytes()).map_err(HashError)?;
    Ok(hash.to_string())
}

/// Reads a hash from a users file.
pub(super) fn parse(text: &str) -> Result<PasswordHash, &'static str> {
    let no_hash = "is no argon2id hash; make one with `auth-server hash-password`";
    let hash = PasswordHash::new(text).map_err(|_| no_hash)?;
    let complete = hash.salt.is_some() && hash.hash.is_some();
    if hash.algorithm.as_str() != ALGORITHM || hash.version != Some(VERSION) || !complete {
        return Err(no_hash);
    }
    let (memory, passes, lanes) = cost(&hash).ok_or(no_hash)?;
    if memory > MAX_COST.0 || passes > MAX_COST.1 || lanes > MAX_COST.2 {
        return Err("takes too much memory or time; make one with `auth-server hash-password`");
    }
    Params::try_from(&hash).map_err(|_| no_hash)?;
    Ok(hash)
}

/// Whether it is the password. Takes a moment: not for async code.
pub(super) fn verify(password: &Secret, hash: &PasswordHash) -> bool {
    Argon2::default().verify_password(password.expose().as_bytes(), hash).is_ok()
}

/// A hash of no password that costs as much as the costliest of `hashes`.
pub(super) fn decoy<'h>(hashes: impl Iterator<Item = &'h PasswordHash>) -> Option<PasswordHash> {
    let (memory, passes, lanes) = hashes
        .filter_map(cost)
        .max_by_key(|(memory, passes, _)| u64::from(*memory) * u64::from(*passes))
        .unwrap_or(COST);
    let params = Params::new(memory, passes, lanes, None).ok()?;
    Some(PasswordHash {
        algorithm: ALGORITHM.try_into().ok()?,
        version: Some(VERSION),
        params: params.try_into().ok()?,
        salt: Some(Salt::new(b"hallpass decoy").ok()?),
        hash: Some(Output::new(&digest("hallpass decoy", "")).ok()?),
    })
}

fn cost(hash: &PasswordHash) -> Option<(u32, u32, u32)> {
    let number = |name: &str| hash.params.get_decimal(name);
    Some((number("m")?, number("t")?, number("p")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_owasps_and_verifies() {
        let password = Secret::new("  hér ✓ pass\tword ");
        let hash = hash_password(&password).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, hash_password(&password).unwrap());
        let hash = parse(&hash).unwrap();
        assert!(verify(&password, &hash));
        // threat-model S5
        assert!(!verify(&Secret::new("hér ✓ pass\tword"), &hash));
    }

    #[test]
    fn only_affordable_argon2id_hashes_are_taken() {
        let tail = "$c29tZXNhbHRzb21lc2FsdA$iJMGsDzvLJWhBS0BzpFwV5k4m2bLrgkGcGWEvd7GWzE";
        let hash = |head: &str| parse(&format!("{head}{tail}")).is_ok();
        assert!(hash("$argon2id$v=19$m=19456,t=2,p=1"));
        for head in [
            "$argon2i$v=19$m=19456,t=2,p=1",
            "$argon2id$v=16$m=19456,t=2,p=1",
            "$argon2id$m=19456,t=2,p=1",
            "$argon2id$v=19$m=4194304,t=2,p=1",
            "$argon2id$v=19$m=19456,t=4000000000,p=1",
            "$argon2id$v=19$m=19456,t=2,p=99",
            "$argon2id$v=19$m=1,t=2,p=1",
            "$argon2id$v=19",
            "$2b$12",
        ] {
            assert!(!hash(head), "{head}");
        }
        assert!(parse("secret").is_err() && parse("$argon2id$v=19$m=19456,t=2,p=1").is_err());
    }

    #[test]
    fn the_decoy_costs_what_the_costliest_hash_costs() {
        // threat-model S4
        let tail = "$c29tZXNhbHRzb21lc2FsdA$iJMGsDzvLJWhBS0BzpFwV5k4m2bLrgkGcGWEvd7GWzE";
        let hashes = ["m=64,t=1,p=1", "m=128,t=3,p=2", "m=256,t=1,p=1"]
            .map(|params| parse(&format!("$argon2id$v=19${params}{tail}")).unwrap());
        assert_eq!(cost(&decoy(hashes.iter()).unwrap()), Some((128, 3, 2)));
        let alone = decoy(std::iter::empty()).unwrap();
        assert_eq!(cost(&alone), Some(COST));
        assert!(parse(&alone.to_string()).is_ok() && !verify(&Secret::new(""), &alone));
    }
}
