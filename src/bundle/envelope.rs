//! DSSE envelope: the one signature over the statement.

use base64::{
    Engine as _, alphabet,
    engine::{
        DecodePaddingMode,
        general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD},
    },
};
use serde::{Deserialize, Serialize};

use crate::{
    bundle::keys::{SigningKey, VerifyingKey},
    canonical,
    digest::Digest,
};

/// `payloadType` of an in-toto statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// Path of the envelope in a bundle.
pub const FILE: &str = "attest/bundle.dsse.json";

/// Greatest size of an envelope; a run of a large cluster has some ten kilobytes.
pub const MAX_BYTES: usize = 8 << 20;

const PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD_IN: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, PADDING);
const URL_SAFE_IN: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, PADDING);

/// Why an envelope is refused.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// Not JSON, a duplicate key, or fields that an envelope does not have.
    #[error("not a DSSE envelope: {0}")]
    Form(String),
    /// Not base64.
    #[error("'{0}' is not base64")]
    Base64(&'static str),
    /// Another payload type.
    #[error("payload type is '{0}', not '{PAYLOAD_TYPE}'")]
    PayloadType(String),
    /// None or several.
    #[error("{0} signatures, not exactly one")]
    Signatures(usize),
    /// Not 64 bytes.
    #[error("the signature has {0} bytes, not 64")]
    SignatureLength(usize),
}

/// The envelope as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wire {
    /// Base64 of the statement.
    pub payload: String,
    /// [`PAYLOAD_TYPE`].
    pub payload_type: String,
    /// Exactly one.
    pub signatures: Vec<WireSignature>,
}

/// A signature as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WireSignature {
    /// Hex SHA-256 of the SPKI DER: a hint, never trusted.
    #[serde(default)]
    pub keyid: String,
    /// Base64 of the raw signature.
    pub sig: String,
}

/// An envelope of the right form. Nothing in it is proved before [`Envelope::verified_by`] says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    payload: Vec<u8>,
    signature: [u8; 64],
    keyid: String,
    wire: Wire,
}

impl Envelope {
    /// Signs a statement.
    pub fn sign(payload: Vec<u8>, key: &SigningKey) -> Self {
        let signature = key.sign(&pae(PAYLOAD_TYPE, &payload));
        let keyid = key.public().digest().hex();
        let wire = Wire {
            payload: STANDARD.encode(&payload),
            payload_type: PAYLOAD_TYPE.to_owned(),
            signatures: vec![WireSignature { keyid: keyid.clone(), sig: STANDARD.encode(signature) }],
        };
        Self { payload, signature, keyid, wire }
    }

    /// Reads the form of an envelope: one signature, the payload type, base64 in either alphabet.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let form = |error: &dyn std::fmt::Display| EnvelopeError::Form(error.to_string());
        // It is read before its signature can be, and JSON in memory is many times its size.
        if bytes.len() > MAX_BYTES {
            return Err(EnvelopeError::Form(format!("larger than {} MiB", MAX_BYTES >> 20)));
        }
        let value = canonical::parse(bytes).map_err(|e| form(&e))?;
        let wire: Wire = serde_json::from_value(value).map_err(|e| form(&e))?;
        if wire.payload_type != PAYLOAD_TYPE {
            return Err(EnvelopeError::PayloadType(wire.payload_type.chars().take(80).collect()));
        }
        let [one] = wire.signatures.as_slice() else {
            return Err(EnvelopeError::Signatures(wire.signatures.len()));
        };
        let payload = decode(&wire.payload).ok_or(EnvelopeError::Base64("payload"))?;
        let signature = decode(&one.sig).ok_or(EnvelopeError::Base64("sig"))?;
        let signature = signature.as_slice().try_into().map_err(|_| EnvelopeError::SignatureLength(signature.len()))?;
        Ok(Self { payload, signature, keyid: one.keyid.clone(), wire })
    }

    /// The stored bytes.
    ///
    /// # Errors
    /// None in practice; the JSON writer reports through its own type.
    pub fn to_bytes(&self) -> Result<Vec<u8>, canonical::CanonicalError> {
        canonical::to_vec(&self.wire)
    }

    /// The statement's bytes if `key` signed them.
    pub fn verified_by(&self, key: &VerifyingKey) -> Option<&[u8]> {
        key.verifies(&pae(PAYLOAD_TYPE, &self.payload), &self.signature).then_some(&self.payload)
    }

    /// The statement's bytes as they are, for lists that say "not verified" beside what they show.
    pub fn claimed(&self) -> &[u8] {
        &self.payload
    }

    /// SHA-256 of the PAE: the bundle's id.
    pub fn id(&self) -> Digest {
        Digest::of(pae(PAYLOAD_TYPE, &self.payload))
    }

    /// SHA-256 of the raw signature, as the log holds it.
    pub fn signature_digest(&self) -> Digest {
        Digest::of(self.signature)
    }

    /// Which key the envelope says signed it: a hint.
    pub fn keyid(&self) -> &str {
        &self.keyid
    }

    /// As it is stored.
    pub fn wire(&self) -> &Wire {
        &self.wire
    }
}

/// Pre-authentication encoding: what is signed.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    out.extend_from_slice(payload);
    out
}

fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD_IN.decode(text).or_else(|_| URL_SAFE_IN.decode(text)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_seed([1; 32])
    }

    #[test]
    fn pae_is_that_of_the_specification() {
        assert_eq!(
            pae("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn both_alphabets_and_missing_padding_are_read() {
        let statement = b"\xfb\xff\xfe{}".as_slice();
        let signed = Envelope::sign(statement.to_vec(), &key());
        let mut wire = signed.wire().clone();
        wire.payload = wire.payload.replace('+', "-").replace('/', "_").replace('=', "");
        wire.signatures[0].sig = wire.signatures[0].sig.replace('+', "-").replace('/', "_");
        assert_ne!(&wire, signed.wire());
        let again = Envelope::parse(&canonical::to_vec(&wire).unwrap()).unwrap();
        assert_eq!(again.verified_by(&key().public()), Some(statement));
        assert_eq!(again.id(), signed.id());
    }

    #[test]
    fn another_key_proves_nothing() {
        let signed = Envelope::sign(b"{}".to_vec(), &key());
        assert_eq!(signed.verified_by(&SigningKey::from_seed([2; 32]).public()), None);
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), payload in "[A-Za-z0-9+/_=-]{0,12}", sig in "[A-Za-z0-9+/=]{86,90}") {
            let _ = Envelope::parse(&bytes);
            let text = format!(r#"{{"payload":"{payload}","payloadType":"{PAYLOAD_TYPE}","signatures":[{{"sig":"{sig}"}}]}}"#);
            if let Ok(envelope) = Envelope::parse(text.as_bytes()) {
                proptest::prop_assert_eq!(envelope.verified_by(&key().public()), None);
            }
        }
    }
}
