//! Who certificates are for and when they end. Keys are never read: only `CERTIFICATE` blocks are.

use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::DateTime;
use serde_json::{Value, json};
use x509_cert::{Certificate, der::DecodePem};

use super::{
    root::{HostRoot, Lost},
    unknown, yaml,
};
use crate::clock::rfc3339;

/// The greatest file of certificates.
const MAX_BYTES: u64 = 256 << 10;
/// Certificates of one file.
const MAX_CERTIFICATES: usize = 64;
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The certificates in a PEM file; a file that cannot be read has one entry that says why.
pub(super) fn of_file(root: &HostRoot, path: &str) -> Vec<Value> {
    match root.read(path, MAX_BYTES) {
        Ok(bytes) => of_text(path, &String::from_utf8_lossy(&bytes)),
        Err(Lost::Absent) => Vec::new(),
        Err(lost) => vec![unreadable(path, lost)],
    }
}

/// The client certificates that a kubeconfig carries.
pub(super) fn of_kubeconfig(root: &HostRoot, path: &str) -> Vec<Value> {
    let config = match yaml(root, path) {
        Ok(config) => config,
        Err(Lost::Absent) => return Vec::new(),
        Err(lost) => return vec![unreadable(path, lost)],
    };
    let users = config["users"].as_array().into_iter().flatten().take(MAX_CERTIFICATES);
    let data = users.filter_map(|user| user["user"]["client-certificate-data"].as_str());
    let decoded = data.filter_map(|data| BASE64_STANDARD.decode(data.split_whitespace().collect::<String>()).ok());
    decoded.flat_map(|pem| of_text(path, &String::from_utf8_lossy(&pem))).collect()
}

fn unreadable(path: &str, lost: Lost) -> Value {
    let reason = unknown(lost);
    json!({"name": path, "subject": reason, "issuer": reason, "notAfter": reason})
}

fn of_text(path: &str, text: &str) -> Vec<Value> {
    let mut entries = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(BEGIN) {
        let Some(length) = rest[start..].find(END) else { break };
        let end = start + length + END.len();
        if entries.len() == MAX_CERTIFICATES {
            entries.push(unreadable(
                path,
                Lost::Unseen(format!("{path}: holds more than {MAX_CERTIFICATES} certificates")),
            ));
            break;
        }
        entries.push(certificate(path, &rest[start..end]));
        rest = &rest[end..];
    }
    entries
}

fn certificate(path: &str, pem: &str) -> Value {
    let read = Certificate::from_pem(pem.as_bytes());
    let Ok(certificate) = read else {
        return unreadable(path, Lost::Unseen(format!("{path}: holds a certificate that cannot be read")));
    };
    let certificate = certificate.tbs_certificate();
    let end = certificate.validity().not_after.to_unix_duration().as_secs();
    let end = i64::try_from(end).ok().and_then(|end| DateTime::from_timestamp(end, 0));
    json!({
        "name": path,
        "subject": certificate.subject().to_string(),
        "issuer": certificate.issuer().to_string(),
        "notAfter": end.map(rfc3339),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `openssl req -x509 -subj /O=system:masters/CN=kubernetes-admin`; what is expected of it is what openssl prints.
    const ADMIN: &str = "-----BEGIN CERTIFICATE-----\n\
        MIIBvDCCAWOgAwIBAgIUO9dVBr4BV8h4DHUKhtnYm/ZFr9MwCgYIKoZIzj0EAwIw\n\
        NDEXMBUGA1UECgwOc3lzdGVtOm1hc3RlcnMxGTAXBgNVBAMMEGt1YmVybmV0ZXMt\n\
        YWRtaW4wHhcNMjYxMTI1MTY0ODQ0WhcNMzYxMTIyMTY0ODQ0WjA0MRcwFQYDVQQK\n\
        DA5zeXN0ZW06bWFzdGVyczEZMBcGA1UEAwwQa3ViZXJuZXRlcy1hZG1pbjBZMBMG\n\
        ByqGSM49AgEGCCqGSM49AwEHA0IABKI8vPyuesVymUrofR+xBSMrhyOZlV3KwD1M\n\
        hraWYaKAXRUtq9MtV926imQ3873Z8BUoUwyWkHI3D81l3apFRFKjUzBRMB0GA1Ud\n\
        DgQWBBTZXyTcZBMQJieHVe/xMhhewCu22jAfBgNVHSMEGDAWgBTZXyTcZBMQJieH\n\
        Ve/xMhhewCu22jAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0cAMEQCIDYM\n\
        lBl3rNuaZYlTWYSGcWOhXQAdlvTMT7t2JV08mlTMAiAV7gC6Gp2ObV1YSdDfWRVe\n\
        s0KHuqUYG1YE2QnBuYC7iw==\n\
        -----END CERTIFICATE-----\n";

    #[test]
    fn a_certificate_reads_as_openssl_reads_it() {
        let expected = json!({"name": "/c", "subject": "CN=kubernetes-admin,O=system:masters",
            "issuer": "CN=kubernetes-admin,O=system:masters", "notAfter": "2036-11-22T16:48:44Z"});
        assert_eq!(of_text("/c", ADMIN), std::slice::from_ref(&expected));
        assert_eq!(of_text("/c", &format!("junk\r\n{}", ADMIN.replace('\n', "\r\n"))), std::slice::from_ref(&expected));

        let dir = tempfile::tempdir().unwrap();
        let config = format!("users: [{{user: {{client-certificate-data: {}}}}}, 5]\n", BASE64_STANDARD.encode(ADMIN));
        std::fs::write(dir.path().join("c"), config).unwrap();
        std::fs::write(dir.path().join("odd"), "users: {user: x}\n").unwrap();
        let root = HostRoot::open(dir.path(), "").unwrap();
        assert_eq!(of_kubeconfig(&root, "/c"), [expected]);
        assert_eq!(of_kubeconfig(&root, "/odd"), Vec::<Value>::new());
        assert_eq!(of_kubeconfig(&root, "/missing"), Vec::<Value>::new());
    }

    #[test]
    fn broken_certificates_are_said_and_keys_are_not_looked_at() {
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert_eq!(of_text("/k", key), Vec::<Value>::new());
        let broken = of_text("/c", &format!("{key}{BEGIN}\nAAAA\n{END}\n{BEGIN}\nAAAA"));
        assert_eq!(broken.len(), 1);
        assert_eq!(broken[0]["notAfter"]["$unknown"], "/c: holds a certificate that cannot be read");
        let many = format!("{BEGIN}\nAAAA\n{END}\n").repeat(MAX_CERTIFICATES + 5);
        assert_eq!(of_text("/c", &many).len(), MAX_CERTIFICATES + 1);
    }
}
