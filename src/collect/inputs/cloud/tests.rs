//! Folders as people fill them: what is read, what is refused, and what is left of credentials.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::{
    collect::ClusterIdentity,
    snapshot::{RedactionKey, Sealer, Tokens, class_of},
};

const CERTIFICATE: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSURCVENDQWUyZ0F3SUJBZ0lJZnE4bGh1cktKdz0K";
const KEY: &str = "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpNSUlFb3dJQkFBS0NBUUVBdTFTVTFMZlZMUEhD";

struct Folder(TempDir);

impl Folder {
    fn new(files: &[(&str, Value)]) -> Self {
        let folder = Self(TempDir::new().unwrap());
        for (name, value) in files {
            folder.write(name, value.to_string().as_bytes());
        }
        folder
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.0.path().join(name), bytes).unwrap();
    }

    fn read(&self, name: &str, platform: Option<&str>, server: Option<&str>) -> Read {
        let cluster =
            ClusterIdentity { name: name.into(), platform: platform.map(Into::into), ..ClusterIdentity::default() };
        let sealer = Sealer::new(Some(RedactionKey::generate([7; 32])), "uid", Tokens::Foreign);
        let context = Context {
            sealer: &sealer,
            cluster: &cluster,
            server,
            nodes: None,
            wanted: Default::default(),
            now: chrono::DateTime::UNIX_EPOCH,
        };
        read(self.0.path(), &context)
    }

    /// The sentences of a run about the EKS cluster `shop`.
    fn errors(&self) -> Vec<String> {
        self.read("shop", Some("eks"), None).errors.into_iter().map(|error| error.message).collect()
    }
}

fn eks(name: &str) -> Value {
    json!({"cluster": {
        "name": name, "arn": format!("arn:aws:eks:eu-west-1:111122223333:cluster/{name}"), "version": "1.33",
        "createdAt": "2025-02-03T10:11:12.123000+01:00",
        "endpoint": "https://0F1E2D3C4B5A69788796A5B4C3D2E1F0.gr7.eu-west-1.eks.amazonaws.com",
        "roleArn": "arn:aws:iam::111122223333:role/shop-cluster-ServiceRole-9Xq2LmZp7RtA",
        "resourcesVpcConfig": {"subnetIds": ["subnet-0a1b2c3d4e5f60718"], "vpcId": "vpc-0a1b2c3d4e5f60718",
            "endpointPublicAccess": true, "endpointPrivateAccess": false, "publicAccessCidrs": ["0.0.0.0/0"]},
        "logging": {"clusterLogging": [{"types": ["api", "audit"], "enabled": true}, {"types": ["scheduler"], "enabled": false}]},
        "identity": {"oidc": {"issuer": "https://oidc.eks.eu-west-1.amazonaws.com/id/0F1E2D3C4B5A69788796A5B4C3D2E1F0"}},
        "certificateAuthority": {"data": CERTIFICATE},
        "encryptionConfig": [{"resources": ["secrets"],
            "provider": {"keyArn": "arn:aws:kms:eu-west-1:111122223333:key/1b4e28ba-2fa1-11d2-883f-0016d3cca427"}}],
        "accessConfig": {"bootstrapClusterCreatorAdminPermissions": true, "authenticationMode": "API_AND_CONFIG_MAP"},
        "tags": {"team": "shop", "db-password": "hunter2"}
    }})
}

fn gke() -> Value {
    json!({
        "name": "shop", "currentMasterVersion": "1.33.1-gke.100", "endpoint": "35.1.2.3",
        "masterAuth": {"clientCertificate": CERTIFICATE, "clientKey": KEY, "clusterCaCertificate": CERTIFICATE},
        "databaseEncryption": {"state": "ENCRYPTED", "keyName": "projects/p/locations/l/keyRings/r/cryptoKeys/gke-shop"},
        "binaryAuthorization": {"evaluationMode": "PROJECT_SINGLETON_POLICY_ENFORCE"},
        "workloadIdentityConfig": {"workloadPool": "shop-prod-123456.svc.id.goog"},
        "authenticatorGroupsConfig": {"enabled": true, "securityGroup": "gke-security-groups@example.com"},
        "loggingService": "logging.googleapis.com/kubernetes", "legacyAbac": {},
        "nodePools": [{"name": "pool-1", "management": {"autoRepair": true, "autoUpgrade": true}, "config": {
            "imageType": "COS_CONTAINERD", "serviceAccount": "gke-nodes@shop-prod-123456.iam.gserviceaccount.com",
            "bootDiskKmsKey": "projects/p/locations/l/keyRings/r/cryptoKeys/disk-key-2026",
            "workloadMetadataConfig": {"mode": "GKE_METADATA"},
            "shieldedInstanceConfig": {"enableIntegrityMonitoring": true, "enableSecureBoot": true}}}],
        "networkConfig": {"datapathProvider": "ADVANCED_DATAPATH", "enableIntraNodeVisibility": true},
        "securityPostureConfig": {"mode": "BASIC"}
    })
}

fn aks() -> Value {
    json!({
        "type": "Microsoft.ContainerService/ManagedClusters", "name": "shop", "fqdn": "shop-1a2b.hcp.westeurope.azmk8s.io",
        "id": "/subscriptions/1b4e28ba-2fa1-11d2-883f-0016d3cca427/resourcegroups/rg/providers/Microsoft.ContainerService/managedClusters/shop",
        "aadProfile": {"managed": true, "enableAzureRbac": true, "serverAppSecret": "8Q~xYz0123456789abcdefABCDEF"},
        "apiServerAccessProfile": {"authorizedIpRanges": ["203.0.113.0/24"], "enablePrivateCluster": false},
        "identityProfile": {"kubeletidentity": {"clientId": "2c4e28ba-2fa1-11d2-883f-0016d3cca427",
            "objectId": "3d4e28ba-2fa1-11d2-883f-0016d3cca427"}},
        "networkProfile": {"networkPolicy": "cilium"},
        "securityProfile": {"azureKeyVaultKms": {"enabled": true,
            "keyId": "https://vault.vault.azure.net/keys/etcd/0f1e2d3c4b5a69788796a5b4c3d2e1f0"}},
        "windowsProfile": {"adminUsername": "azureuser", "adminPassword": "hunter2hunter2"},
        "agentPoolProfiles": [{"name": "nodepool1", "enableNodePublicIp": false}], "disableLocalAccounts": true
    })
}

/// The fields of `original` below `key` that a sealed object no longer shows.
fn hidden(sealed: &Value, original: &Value, at: &str) -> Vec<String> {
    match original {
        Value::Object(map) => map.iter().flat_map(|(k, v)| hidden(&sealed[k], v, &format!("{at}/{k}"))).collect(),
        Value::Array(items) => {
            items.iter().enumerate().flat_map(|(i, v)| hidden(&sealed[i], v, &format!("{at}/{i}"))).collect()
        }
        value if value != sealed => vec![at.to_string()],
        _ => vec![],
    }
}

fn only(read: Read) -> Value {
    assert_eq!(read.errors, []);
    let [object] = read.objects.as_slice() else { panic!("{} objects", read.objects.len()) };
    let [list] = read.lists.as_slice() else { panic!("{:?}", read.lists) };
    assert_eq!((list.id().as_str(), list.count, &list.outcome), (RESOURCE, 1, &ListOutcome::Seen));
    assert_eq!((object.gvk.api_version().as_str(), object.gvk.kind.as_str()), (API_VERSION, KIND));
    object.value()
}

#[test]
fn every_print_stands_where_checks_look_for_it() {
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "ecr:PutImage"}]});
    let folder = Folder::new(&[
        ("a-cluster.json", eks("shop")),
        ("b1.json", json!({"nodegroup": {"nodegroupName": "one", "nodegroupArn": "arn:1", "clusterName": "shop"}})),
        ("b2.json", json!({"nodegroup": {"nodegroupName": "two", "nodegroupArn": "arn:2", "clusterName": "shop"}})),
        (
            "c.json",
            json!({"repositories": [{"repositoryArn": "arn:3", "imageScanningConfiguration": {"scanOnPush": false}}]}),
        ),
        ("d.json", json!({"registryId": "1", "scanningConfiguration": {"scanType": "ENHANCED"}})),
        ("e.json", json!({"repositoryName": "cart", "policyText": policy.to_string()})),
        ("notes.txt", json!("not read")),
    ]);
    let object = only(folder.read("shop", Some("eks"), None));
    assert_eq!(object["provider"], "eks");
    assert_eq!(object["metadata"]["name"], "shop");
    assert_eq!(object.pointer("/nodegroups/1/nodegroupName"), Some(&json!("two")));
    assert_eq!(object.pointer("/repositories/0/imageScanningConfiguration/scanOnPush"), Some(&json!(false)));
    assert_eq!(object.pointer("/scanning/scanType"), Some(&json!("ENHANCED")));
    assert_eq!(object.pointer("/repositoryPolicies/0/policyText"), Some(&policy));
}

#[test]
fn redaction_leaves_what_checks_need_and_takes_credentials() {
    let object = only(Folder::new(&[("c.json", eks("shop"))]).read("shop", Some("eks"), None));
    let gone = hidden(&object["cluster"], &eks("shop")["cluster"], "");
    // Ids drawn at random go too: nothing tells them from a credential, and no check needs them.
    let drawn = ["/resourcesVpcConfig/subnetIds/0", "/resourcesVpcConfig/vpcId"];
    assert_eq!(gone, ["/certificateAuthority/data", drawn[0], drawn[1], "/tags/db-password"]);

    let object = only(Folder::new(&[("c.json", gke())]).read("shop", Some("gke"), None));
    let gone = hidden(&object["cluster"], &gke(), "");
    let certificates = ["/masterAuth/clientCertificate", "/masterAuth/clientKey", "/masterAuth/clusterCaCertificate"];
    assert_eq!(gone, certificates);
    assert!(class_of(object.pointer("/cluster/masterAuth/clientKey").unwrap().as_str().unwrap()).is_some());

    let object = only(Folder::new(&[("c.json", aks())]).read("shop", Some("aks"), None));
    let gone = hidden(&object["cluster"], &aks(), "");
    assert_eq!(gone, ["/aadProfile/serverAppSecret", "/windowsProfile/adminPassword"]);
}

#[test]
fn what_stands_around_a_cluster_stays_readable() {
    let id = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";
    let azure =
        format!("/subscriptions/{id}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/shop");
    let policy = json!({"Statement": [{"Effect": "Allow", "Action": ["ecr:PutImage", "ecr:InitiateLayerUpload"],
        "Principal": {"AWS": ["arn:aws:iam::111122223333:role/ci-deploy-7Xq2LmZp9RtA"]}}]});
    for (platform, key, print, original) in [
        (
            "eks",
            "nodeRolePolicies",
            "AttachedPolicies",
            json!([{"PolicyArn": "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPowerUser"}]),
        ),
        ("eks", "logGroups", "logGroups", json!([{"logGroupName": "/aws/eks/shop/cluster", "retentionInDays": 90}])),
        (
            "eks",
            "accessEntries",
            "accessEntries",
            json!([format!("arn:aws:eks:eu-west-1:111122223333:access-entry/shop/user/111122223333/Bo.Li/{id}")]),
        ),
        (
            "eks",
            "podIdentities",
            "associations",
            json!([{"associationId": "a-abc", "clusterName": "shop", "namespace": "shop", "serviceAccount": "cart"}]),
        ),
        ("eks", "repositoryPolicies", "", json!([{"repositoryName": "shop/cart", "policyText": policy}])),
        (
            "gke",
            "services",
            "",
            json!([{"name": "projects/123456789012/services/containerscanning.googleapis.com", "state": "ENABLED"}]),
        ),
        (
            "gke",
            "firewallRules",
            "",
            json!([{"kind": "compute#firewall", "name": "gke-shop-ssh", "direction": "INGRESS",
            "sourceRanges": ["0.0.0.0/0"], "allowed": [{"IPProtocol": "tcp", "ports": ["22"]}]}]),
        ),
        (
            "aks",
            "roleAssignments",
            "",
            json!([{"principalId": id, "principalName": "bo.li@example.com",
            "roleDefinitionName": "Container Registry Contributor and Data Access Configuration Administrator"}]),
        ),
        (
            "aks",
            "diagnostics",
            "",
            json!([{"id": format!("{azure}/providers/microsoft.insights/diagnosticSettings/siem"),
            "logs": [{"category": "kube-audit-admin", "categoryGroup": null, "enabled": true}]}]),
        ),
    ] {
        let printed = if print.is_empty() { original.clone() } else { json!({print: original.clone()}) };
        let object = only(Folder::new(&[("x.json", printed)]).read("shop", Some(platform), None));
        assert_eq!(hidden(&object[key], &original, ""), Vec::<String>::new(), "{key}: {object}");
    }
    let members = ["serviceAccount:123456789012-compute@developer.gserviceaccount.com", "user:bo.li@example.com"];
    let iam = json!({"bindings": [{"role": "roles/artifactregistry.writer", "members": members}]});
    let object = only(Folder::new(&[("x.json", iam.clone())]).read("shop", Some("gke"), None));
    assert_eq!(hidden(&object["iam"], &iam, ""), Vec::<String>::new());
}

#[test]
fn of_a_list_of_clusters_the_one_that_is_ours_is_taken() {
    let mut other = gke();
    other["name"] = "other".into();
    other["endpoint"] = "34.9.9.9".into();
    let folder = Folder::new(&[("list.json", json!([other, gke()]))]);
    let object = only(folder.read("anything", Some("gke"), Some("https://35.1.2.3")));
    assert_eq!(object["cluster"]["name"], "shop");
    let read = folder.read("third", Some("gke"), None);
    assert_eq!((read.objects.len(), read.errors.len()), (0, 1));
    assert!(read.errors[0].message.starts_with("holds 2 clusters and not this one"), "{:?}", read.errors);
}

#[test]
fn another_provider_or_cluster_is_refused_and_the_rest_goes_on() {
    for (file, value, sentence) in [
        (
            "gke.json",
            gke(),
            "is what gcloud container clusters describe --format json prints, and this cluster runs on eks",
        ),
        ("aks.json", aks(), "is what az aks show prints, and this cluster runs on eks"),
        ("x.json", eks("staging"), "describes the cluster 'staging', and this run is about 'shop'"),
        ("x.json", eks("shop"), "describes the cluster a second time"),
        (
            "x.json",
            json!({"nodegroup": {"nodegroupName": "n", "nodegroupArn": "arn", "clusterName": "staging"}}),
            "is of the cluster 'staging', and this run is about 'shop'",
        ),
        ("x.json", json!({"kind": "Pod"}), "is no print of a provider that this version reads"),
        ("x.json", json!([]), "is an empty list and does not say of what"),
        ("x.json", json!(["shop"]), "is no print of a provider that this version reads"),
    ] {
        let folder = Folder::new(&[("cluster.json", eks("shop")), (file, value)]);
        let read = folder.read("shop", Some("eks"), None);
        let [error] = read.errors.as_slice() else { panic!("{sentence}: {:?}", read.errors) };
        assert!(error.message.starts_with(sentence), "{}", error.message);
        assert!(error.file.ends_with(file));
        assert_eq!(read.objects.len(), 1, "{sentence}");
        assert!(matches!(&read.lists[0].outcome, ListOutcome::Failed { reason } if reason.starts_with(file)));
    }
    let moved = Folder::new(&[("cluster.json", eks("shop"))]);
    let read = moved.read("shop", Some("eks"), Some("https://FFFF.gr7.eu-west-1.eks.amazonaws.com"));
    assert_eq!((read.objects.len(), read.lists[0].count), (0, 0));
    assert!(read.errors[0].message.ends_with("which is another one"), "{}", read.errors[0].message);
}

#[test]
fn broken_files_get_a_sentence_each() {
    let text = eks("shop").to_string();
    for (bytes, sentence) in [
        (&text.as_bytes()[..text.len() / 2], "ends in the middle"),
        (b"" as &[u8], "ends in the middle"),
        (b"cluster: {name: shop}", "is no JSON"),
        (b"{\"cluster\": {}, \"cluster\": {}}", "canonical JSON: duplicate key"),
        (b"\xff\xfe{\x00}\x00", "is UTF-16"),
        (b"\xff\x00\x01", "is no JSON"),
    ] {
        let folder = Folder::new(&[]);
        folder.write("x.json", bytes);
        let errors = folder.errors();
        assert!(matches!(errors.as_slice(), [one] if one.starts_with(sentence)), "{sentence}: {errors:?}");
    }
    let deep = Folder::new(&[]);
    deep.write("x.json", "[".repeat(100_000).as_bytes());
    assert_eq!(deep.errors().len(), 1);
    let marked = Folder::new(&[]);
    marked.write("x.json", &[b"\xef\xbb\xbf", text.as_bytes()].concat());
    assert_eq!(marked.errors(), Vec::<String>::new());
}

#[test]
fn a_file_of_half_a_gigabyte_is_not_read() {
    let folder = Folder::new(&[("cluster.json", eks("shop"))]);
    File::create(folder.0.path().join("huge.json")).unwrap().set_len(500 << 20).unwrap();
    fs::create_dir(folder.0.path().join("folder.json")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.0.path().join("link.json")).unwrap();
    let mut errors = folder.errors();
    errors.sort();
    assert_eq!(errors.len(), 3, "{errors:?}");
    assert!(errors[0].starts_with("cannot be read"), "{errors:?}");
    assert!(errors[1].starts_with("is larger than 32 MiB"), "{errors:?}");
    assert_eq!(errors[2], "is not a regular file");
}

#[test]
fn what_counts_writes_is_no_change() {
    let digest = |etag: &str| {
        let mut cluster = gke();
        cluster["etag"] = etag.into();
        cluster["nodePools"][0]["etag"] = etag.into();
        Folder::new(&[("c.json", cluster)]).read("shop", Some("gke"), None).objects[0].digest
    };
    assert_eq!(digest("a"), digest("b"));
}

#[test]
fn an_empty_folder_is_a_gap() {
    let read = Folder::new(&[]).read("shop", None, None);
    assert_eq!((read.objects.len(), read.errors.len(), read.lists[0].count), (0, 0, 0));
    assert!(!read.lists[0].outcome.is_known());
}

#[test]
fn where_the_platform_is_not_known_the_first_description_says_it() {
    let folder = Folder::new(&[("a.json", eks("shop")), ("b.json", gke())]);
    let read = folder.read("shop", None, None);
    assert_eq!(read.objects[0].value()["provider"], "eks");
    assert_eq!(read.errors.len(), 1);
}
