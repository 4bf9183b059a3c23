//! Certificate signing requests: who the certificate would be for is kept, the request itself never.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use x509_cert::{
    der::{DecodePem, asn1::ObjectIdentifier},
    ext::pkix::name::DirectoryString,
    name::Name,
    request::CertReq,
};

use crate::digest::Digest;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");

/// Largest request that is read; a real one has 1 or 2 KiB.
const MAX_REQUEST: usize = 64 * 1024;

/// Replaces `request` by its digest, and puts the names that Kubernetes would authenticate beside it: the common name
/// is the user, the organisations are the groups. What cannot be read in full leaves no names: a check then says that
/// it does not know.
pub(super) fn reduce(spec: &mut Map<String, Value>) {
    let Some(Value::String(request)) = spec.get_mut("request") else { return };
    // A recorded cluster has been reduced before, and keeps what it has.
    if request.starts_with("sha256:") {
        return;
    }
    let subject = subject(request);
    *request = Digest::of(&*request).to_string();
    spec.remove("requestSubject");
    if let Some(subject) = subject {
        spec.insert("requestSubject".into(), subject);
    }
}

fn subject(request: &str) -> Option<Value> {
    if request.len() > MAX_REQUEST {
        return None;
    }
    let pem = STANDARD.decode(request).ok()?;
    // Of several blocks, readers differ on which one counts.
    let one = std::str::from_utf8(&pem).is_ok_and(|text| text.matches("-----BEGIN").count() == 1);
    let subject = CertReq::from_pem(pem).ok().filter(|_| one)?.info.subject;
    let names = names(&subject, COMMON_NAME)?;
    Some(json!({"commonName": names.first(), "organizations": names_sorted(&subject)?}))
}

fn names_sorted(subject: &Name) -> Option<Vec<String>> {
    let mut names = names(subject, ORGANIZATION)?;
    names.sort();
    names.dedup();
    Some(names)
}

/// Every name of one kind; `None` when one of them cannot be read.
fn names(subject: &Name, kind: ObjectIdentifier) -> Option<Vec<String>> {
    let of_kind = subject.iter().filter(|attribute| attribute.oid == kind);
    of_kind.map(|attribute| Some(attribute.value.decode_as::<DirectoryString>().ok()?.value().into_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by openssl: `/O=system:masters/O=ops/CN=eve`.
    const MASTERS: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIeE1JR1hBZ0VBTURVeEZ6QVZCZ05WQkFvTURuTjVjM1JsYlRwdFlYTjBaWEp6TVF3d0NnWURWUVFLREFOdgpjSE14RERBS0JnTlZCQU1NQTJWMlpUQlpNQk1HQnlxR1NNNDlBZ0VHQ0NxR1NNNDlBd0VIQTBJQUJHYldFcFhjClcyM1g1akFKN2lOdHMrREt1N1poOE5CTkl1dnd0cDAxWjd2VnRoSE16ZEJGYU4vaXhoUnd6ZFkySE0rcGRaZE0KZUtGYmVVUno3WlJLNWplZ0FEQUtCZ2dxaGtqT1BRUURBZ05KQURCR0FpRUFwYjhpbDhsVkRTdlVaaVd6Wi9neApGQW1wc1pEQ0ZuTGo0Ukk4YVFZemdrNENJUUR1YmxjdzUvV0F4Vm9uODhEeUZGQXVCSkRVZDRGVThKQ2F5TzEyCmMxUFBvdz09Ci0tLS0tRU5EIENFUlRJRklDQVRFIFJFUVVFU1QtLS0tLQo=";
    /// Made by openssl: `/CN=kubelet`.
    const KUBELET: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlITE1IUUNBUUF3RWpFUU1BNEdBMVVFQXd3SGEzVmlaV3hsZERCWk1CTUdCeXFHU000OUFnRUdDQ3FHU000OQpBd0VIQTBJQUJHYldFcFhjVzIzWDVqQUo3aU50cytES3U3Wmg4TkJOSXV2d3RwMDFaN3ZWdGhITXpkQkZhTi9pCnhoUnd6ZFkySE0rcGRaZE1lS0ZiZVVSejdaUks1amVnQURBS0JnZ3Foa2pPUFFRREFnTkhBREJFQWlCaEZHSUkKT1VDQlljTjIrWC80Vys5WUEyb2xycDhZYmpOUkk1UlRma0tIaHdJZ2F3NE8yOVBwdG43WmlxVDFMUVUxVFhKWAptRTFuRDZ6UGpnR2oxc3BTOU1BPQotLS0tLUVORCBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0K";

    fn reduced(spec: Value) -> Value {
        let mut spec = spec.as_object().cloned().unwrap();
        reduce(&mut spec);
        Value::Object(spec)
    }

    #[test]
    fn names_stay_and_the_request_goes() {
        let spec = reduced(json!({"request": MASTERS, "signerName": "s"}));
        assert_eq!(spec["requestSubject"], json!({"commonName": "eve", "organizations": ["ops", "system:masters"]}));
        assert_eq!(spec["request"], Digest::of(MASTERS).to_string());
        assert_eq!(spec["signerName"], "s");
        let spec = reduced(json!({"request": KUBELET}));
        assert_eq!(spec["requestSubject"], json!({"commonName": "kubelet", "organizations": []}));
    }

    #[test]
    fn a_reduced_request_is_not_reduced_again() {
        let once = reduced(json!({"request": MASTERS}));
        assert_eq!(reduced(once.clone()), once);
    }

    #[test]
    fn what_cannot_be_read_has_no_names_whatever_stands_beside_it() {
        let pem = STANDARD.decode(MASTERS).unwrap();
        let twice = STANDARD.encode([STANDARD.decode(KUBELET).unwrap(), pem.clone()].concat());
        let cut = STANDARD.encode(&pem[..pem.len() - 60]);
        let large = STANDARD.encode([vec![b' '; MAX_REQUEST], pem].concat());
        for request in ["", "LS0t", "no base64", &twice, &cut, &large] {
            let spec = reduced(json!({"request": request, "requestSubject": {"organizations": []}}));
            assert_eq!(spec, json!({"request": Digest::of(request).to_string()}), "{request}");
        }
        assert_eq!(reduced(json!({"request": 5})), json!({"request": 5}));
    }
}
