//! Keys in memory, from a seed.
use crate::random::Random;
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use std::sync::Arc;
use wire::{PublicKey, Signer, SignerFailed};

/// A key of something simulated.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pair: Arc<EcdsaKeyPair>,
    point: [u8; 65],
    public: PublicKey,
}

impl Key {
    /// The next key of a stream.
    pub(crate) fn new(random: &mut Random) -> Self {
        loop {
            // Nearly every number is a private key; the next one is.
            if let Some(key) = Self::from_private(&random.bytes::<32>()) {
                return key;
            }
        }
    }

    fn from_private(private: &[u8; 32]) -> Option<Self> {
        let public = PrivateKey::from_private_key(&ECDH_P256, private).ok()?.compute_public_key().ok()?;
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, private, public.as_ref()).ok()?;
        let point = <[u8; 65]>::try_from(pair.public_key().as_ref()).ok()?;
        let public = PublicKey::from_point(wire::key::Curve::P256, &point).ok()?;
        Some(Self { pair: Arc::new(pair), point, public })
    }

    pub(crate) fn public(&self) -> &PublicKey {
        &self.public
    }
}

impl Signer for Key {
    fn public_point(&self) -> [u8; 65] {
        self.point
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerFailed> {
        let signature = self.pair.sign(&SystemRandom::new(), message);
        signature.map(|it| it.as_ref().to_vec()).map_err(|why| SignerFailed(why.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_from_the_seed_and_sign() {
        let one = Key::new(&mut Random::new(1));
        assert_eq!(one.public(), Key::new(&mut Random::new(1)).public());
        assert_ne!(one.public(), Key::new(&mut Random::new(2)).public());
        let signature = one.sign(b"x").expect("a signature");
        assert!(one.public().verify(b"x", &signature).is_ok());
    }
}
