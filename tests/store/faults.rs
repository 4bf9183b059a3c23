//! Stores that fail on purpose: answers that get lost, conflicts that are none, no space, refusals.

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, Write as _},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use futures::stream::BoxStream;
use kubeproof::store::{Cause, Store, StoreError};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, aws::AmazonS3Builder, local::LocalFileSystem,
    memory::InMemory, path::Path,
};

use super::{CLUSTER, IMPATIENT, Place, block_on, bundle, deliver, log_key, plain};

/// The backend below a place, and the path in it where the store begins.
pub fn raw(place: &Place) -> (Arc<dyn ObjectStore>, String) {
    raw_of(&place.url, &place.env)
}

pub fn raw_of(url: &str, env: &BTreeMap<String, String>) -> (Arc<dyn ObjectStore>, String) {
    let Some(rest) = url.strip_prefix("s3://") else {
        std::fs::create_dir_all(url).unwrap();
        return (Arc::new(LocalFileSystem::new_with_prefix(url).unwrap()), String::new());
    };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (bucket, root) = rest.split_once('/').unwrap();
    let builder = AmazonS3Builder::new().with_bucket_name(bucket);
    // A child has the whole environment, of which the backend knows but a part.
    let keys =
        env.iter().filter_map(|(name, value)| Some((name.strip_prefix("AWS_")?.to_lowercase().parse().ok()?, value)));
    let builder = keys.fold(builder, |builder, (key, value)| builder.with_config(key, value));
    (Arc::new(builder.build().unwrap()), root.into())
}

/// What goes wrong, for every object until it no longer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The first `n` creations of all take effect, and their answers get lost.
    LoseAnswers(u32),
    /// The first `n` creations of all never arrive.
    LoseRequests(u32),
    /// S3's ConditionalRequestConflict, which arrives as "already exists", `n` times.
    SayConflict(u32),
    /// The connection stays away for good.
    Unreachable,
    /// The file system is full.
    Full,
    /// The store refuses.
    Refuse,
    /// No further creation after `n` comes to an end, nor does the process.
    StopAfter(u32),
}

/// A store that fails on purpose and counts its requests.
#[derive(Debug)]
pub struct Faulty {
    inner: Arc<dyn ObjectStore>,
    root: String,
    fault: Fault,
    puts: AtomicU32,
    pub requests: AtomicU32,
}

impl Faulty {
    pub fn new(inner: Arc<dyn ObjectStore>, root: String, fault: Fault) -> Self {
        Self { inner, root, fault, puts: AtomicU32::new(0), requests: AtomicU32::new(0) }
    }

    fn path(&self, path: &Path) -> Path {
        if self.root.is_empty() { path.clone() } else { Path::parse(format!("{}/{path}", self.root)).unwrap() }
    }

    fn count(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    fn back(root: &str, meta: ObjectMeta) -> ObjectMeta {
        let location = Path::parse(meta.location.as_ref().strip_prefix(root).unwrap().trim_start_matches('/')).unwrap();
        ObjectMeta { location, ..meta }
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faulty({})", self.inner)
    }
}

fn timeout() -> Error {
    Error::Generic { store: "faulty", source: "error sending request: operation timed out".into() }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.count();
        let before = self.puts.fetch_add(1, Ordering::Relaxed);
        let path = self.path(location);
        match self.fault {
            Fault::LoseRequests(n) if before < n => Err(timeout()),
            Fault::LoseAnswers(n) if before < n => {
                self.inner.put_opts(&path, payload, opts).await?;
                Err(timeout())
            }
            Fault::SayConflict(n) if before < n => {
                Err(Error::AlreadyExists { path: path.to_string(), source: "409 ConditionalRequestConflict".into() })
            }
            Fault::Unreachable => Err(timeout()),
            Fault::Full => {
                Err(Error::Generic { store: "faulty", source: io::Error::from(io::ErrorKind::StorageFull).into() })
            }
            Fault::Refuse => {
                let body = "<Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>";
                Err(Error::PermissionDenied { path: path.to_string(), source: body.into() })
            }
            Fault::StopAfter(n) if before >= n => {
                let _ = writeln!(io::stdout(), "stopped in the middle");
                std::future::pending().await
            }
            _ => self.inner.put_opts(&path, payload, opts).await,
        }
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        panic!("a multipart upload is not atomic everywhere")
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.count();
        if self.fault == Fault::Unreachable {
            return Err(timeout());
        }
        self.inner.get_opts(&self.path(location), options).await
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        panic!("nothing is ever deleted")
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        use futures::TryStreamExt as _;
        self.count();
        let root = self.root.clone();
        let listed = self.inner.list(Some(&self.path(prefix.unwrap_or(&Path::default()))));
        Box::pin(listed.map_ok(move |meta| Self::back(&root, meta)))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        use futures::TryStreamExt as _;
        self.count();
        let root = self.root.clone();
        let listed =
            self.inner.list_with_offset(Some(&self.path(prefix.unwrap_or(&Path::default()))), &self.path(offset));
        Box::pin(listed.map_ok(move |meta| Self::back(&root, meta)))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.count();
        self.inner.list_with_delimiter(Some(&self.path(prefix.unwrap_or(&Path::default())))).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        panic!("nothing is ever copied")
    }
}

fn faulty(place: &Place, fault: Fault) -> Store {
    let (inner, root) = raw(place);
    Store::with_backend(Arc::new(Faulty::new(inner, root, fault)), "s3://evidence/prod")
}

async fn in_the_log_once(place: &Place, number: u32) {
    let log = place.open().log(CLUSTER, &log_key().public(), 0).await.unwrap();
    let expected = bundle(number).leaf;
    assert_eq!(log.commits.iter().filter(|slot| *slot.commit.leaf() == expected).count(), 1);
    assert_eq!(log.skipped, vec![]);
    assert_eq!(place.open().bundle_files(CLUSTER, &bundle(number).id).await.unwrap(), plain(&bundle(number).files));
}

/// Every answer of one fault is lost, the commit's among them: a bundle of this test has seven to nine objects.
async fn survives(place: Place, fault: fn(u32) -> Fault) {
    for count in [1, 4] {
        deliver(&faulty(&place, fault(count)), &bundle(count)).await.unwrap();
        in_the_log_once(&place, count).await;
    }
    let number = 40;
    place.open().put_bundle(CLUSTER, &bundle(number).id, &bundle(number).files, IMPATIENT).await.unwrap();
    let committed =
        faulty(&place, fault(1)).commit(CLUSTER, &bundle(number).leaf, &log_key(), None, IMPATIENT).await.unwrap();
    assert_eq!((committed.index, committed.slot, committed.was_there), (2, 2, false));
    in_the_log_once(&place, number).await;
}

#[test]
fn a_lost_answer_is_settled_by_reading_back_in_a_folder() {
    block_on(async { survives(Place::folder().await, Fault::LoseAnswers).await });
}

#[test]
fn a_lost_answer_is_settled_by_reading_back_in_s3() {
    block_on(async { survives(Place::s3().await, Fault::LoseAnswers).await });
}

#[test]
fn a_lost_request_is_sent_again_to_a_folder() {
    block_on(async { survives(Place::folder().await, Fault::LoseRequests).await });
}

#[test]
fn a_lost_request_is_sent_again_to_s3() {
    block_on(async { survives(Place::s3().await, Fault::LoseRequests).await });
}

#[test]
fn a_conflict_that_is_none_means_again() {
    block_on(async { survives(Place::s3().await, Fault::SayConflict).await });
}

#[test]
fn patience_ends_with_the_last_error() {
    block_on(async {
        let place = Place::folder().await;
        let error = deliver(&faulty(&place, Fault::Unreachable), &bundle(0)).await.unwrap_err();
        assert_eq!(error.cause, Cause::Unknown);
        assert!(error.to_string().ends_with("error sending request: operation timed out"), "{error}");
        assert_eq!(place.open().clusters().await.unwrap(), Vec::<String>::new());
    });
}

/// Why, and what to do.
fn sentence(error: &StoreError) -> String {
    format!("{} | {}", error.detail, error.hint())
}

#[test]
fn a_full_disk_and_a_refusal_each_have_their_sentence_and_are_not_retried() {
    block_on(async {
        let cases = [
            (Fault::Full, Cause::Full, "no storage space | free some space or raise the quota"),
            (Fault::Refuse, Cause::Refused, "AccessDenied: Access Denied | the credentials need to create"),
        ];
        for (fault, cause, words) in cases {
            let place = Place::folder().await;
            let (inner, root) = raw(&place);
            let backend = Arc::new(Faulty::new(inner, root, fault));
            let store = Store::with_backend(backend.clone(), "s3://evidence/prod");
            let error = store.commit(CLUSTER, &bundle(0).leaf, &log_key(), None, IMPATIENT).await.unwrap_err();
            assert_eq!(error.cause, cause);
            assert!(sentence(&error).starts_with(words), "{}", sentence(&error));
            assert_eq!(backend.puts.load(Ordering::Relaxed), 1);
        }
    });
}

#[test]
fn s3_with_a_wrong_key_or_bucket_says_so_without_the_key() {
    block_on(async {
        let mut place = Place::s3().await;
        place.env.insert("AWS_SECRET_ACCESS_KEY".into(), "not-the-secret-at-all".into());
        let error = deliver(&place.open(), &bundle(0)).await.unwrap_err();
        assert_eq!(error.cause, Cause::Unauthenticated, "{error}");
        assert!(error.to_string().contains("SignatureDoesNotMatch"), "{error}");
        assert!(!format!("{error} {error:?}").contains("not-the-secret-at-all"), "{error}");

        let mut place = Place::s3().await;
        place.url = "s3://no-such-bucket/evidence".into();
        let error = deliver(&place.open(), &bundle(0)).await.unwrap_err();
        assert_eq!(error.cause, Cause::NotFound, "{error}");
        assert!(error.to_string().contains("s3://no-such-bucket/evidence/clusters/"), "{error}");
    });
}

#[test]
fn the_head_of_a_long_log_costs_a_few_requests() {
    block_on(async {
        let backend = Arc::new(Faulty::new(Arc::new(InMemory::new()), String::new(), Fault::None));
        let store = Store::with_backend(backend.clone(), "memory:");
        let (key, origin) = (log_key(), kubeproof::bundle::log_origin(CLUSTER));
        let mut commit = kubeproof::bundle::Commit::first(bundle(0).leaf, &origin, &key);
        for slot in 0..12_345_u64 {
            let path = Path::from(format!("clusters/{CLUSTER}/log/commits/{slot:010}.tlog-proof"));
            backend.inner.put_opts(&path, commit.bytes().to_vec().into(), PutOptions::default()).await.unwrap();
            commit = kubeproof::bundle::Commit::append(&commit, bundle(0).leaf, &key).unwrap();
        }
        let head = store.head(CLUSTER, &key.public()).await.unwrap().newest.unwrap();
        assert_eq!(head.slot, 12_344);
        let requests = backend.requests.load(Ordering::Relaxed);
        assert!(requests <= 12, "{requests} requests");
    });
}
