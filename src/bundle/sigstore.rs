//! The envelope again as a Sigstore bundle v0.3, so that cosign reads it. Derived, never trusted.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;

use crate::{
    bundle::{envelope::Envelope, keys::VerifyingKey},
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
    dsse_envelope: DsseEnvelope<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DsseEnvelope<'a> {
    payload: &'a str,
    payload_type: &'a str,
    signatures: Vec<Signature<'a>>,
}

/// Without `keyid`: cosign holds a present one against an id of its own making, and the key is hinted at above.
#[derive(Serialize)]
struct Signature<'a> {
    sig: &'a str,
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
    let wire = envelope.wire();
    canonical::to_vec(&Bundle {
        media_type: MEDIA_TYPE,
        verification_material: VerificationMaterial {
            public_key: PublicKeyIdentifier { hint: STANDARD.encode(key.digest().0) },
        },
        dsse_envelope: DsseEnvelope {
            payload: &wire.payload,
            payload_type: &wire.payload_type,
            signatures: wire.signatures.iter().map(|signature| Signature { sig: &signature.sig }).collect(),
        },
    })
}
