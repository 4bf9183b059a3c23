//! The envelope again as a Sigstore bundle v0.3, so that cosign reads it. Derived, never trusted.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;

use crate::{
    bundle::{
        envelope::{Envelope, Wire},
        keys::VerifyingKey,
    },
    canonical::{self, CanonicalError},
};

/// Path in a bundle.
pub const FILE: &str = "attest/bundle.sigstore.json";

const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bundle<'a> {
    media_type: &'static str,
    verification_material: VerificationMaterial,
    dsse_envelope: &'a Wire,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VerificationMaterial {
    public_key: PublicKeyIdentifier,
}

#[derive(Serialize)]
struct PublicKeyIdentifier {
    hint: String,
}

/// The Sigstore bundle of an envelope that `key` signed.
///
/// # Errors
/// None in practice; the JSON writer reports through its own type.
pub fn derive(envelope: &Envelope, key: &VerifyingKey) -> Result<Vec<u8>, CanonicalError> {
    canonical::to_vec(&Bundle {
        media_type: MEDIA_TYPE,
        verification_material: VerificationMaterial {
            public_key: PublicKeyIdentifier { hint: STANDARD.encode(key.digest().0) },
        },
        dsse_envelope: envelope.wire(),
    })
}
