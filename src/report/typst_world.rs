//! The one place that uses typst: the template, the fonts and the data as a world of their own, laid out and exported
//! as PDF/A-3a and PDF/UA-1.

use std::sync::LazyLock;

use chrono::{DateTime, Datelike, Timelike, Utc};
use serde::Serialize;
use typst::{
    Library, LibraryExt, World,
    diag::{FileError, FileResult, SourceDiagnostic},
    foundations::{Bytes, Datetime, Duration, Smart},
    syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot},
    text::{Font, FontBook},
    utils::LazyHash,
};
use typst_kit::fonts::FontStore;
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards, Timestamp};

use super::glyphs;
use crate::digest::Digest;

const LOOK: (&str, &str) = ("look.typ", include_str!("../../templates/look.typ"));
const INTER: [&[u8]; 3] = [
    include_bytes!("../../templates/fonts/Inter-Regular.otf"),
    include_bytes!("../../templates/fonts/Inter-Medium.otf"),
    include_bytes!("../../templates/fonts/Inter-SemiBold.otf"),
];
const FALLBACK: &[u8] = include_bytes!("../../templates/fonts/DroidSansFallback.ttf");
const MONO: &str = "DejaVu Sans Mono";

static LIBRARY: LazyLock<LazyHash<Library>> = LazyLock::new(|| LazyHash::new(Library::default()));
static FONTS: LazyLock<Fonts> = LazyLock::new(Fonts::load);

/// A document that could not be laid out: a defect of the template, never of the data.
#[derive(Debug, thiserror::Error)]
pub enum PdfError {
    /// The template and the view do not fit.
    #[error("templates/{file}:{line}: {message}")]
    Template {
        /// Its name.
        file: String,
        /// Line of the template, 0 where unknown.
        line: usize,
        /// What typst says.
        message: String,
    },
    /// The view could not be serialised.
    #[error("the report's data is not JSON: {0}")]
    Data(#[from] serde_json::Error),
    /// The run's time is not one that a PDF can carry.
    #[error("{0} is not a time that a PDF can carry")]
    Time(DateTime<Utc>),
}

/// Which document it is.
#[derive(Debug, Clone, Copy)]
pub enum Template {
    /// Of one run.
    Report,
    /// Of a period.
    Period,
    /// Of a comparison.
    Drift,
}

impl Template {
    fn file(self) -> (&'static str, &'static str) {
        match self {
            Self::Report => ("report.typ", include_str!("../../templates/report.typ")),
            Self::Period => ("period.typ", include_str!("../../templates/period.typ")),
            Self::Drift => ("drift.typ", include_str!("../../templates/drift.typ")),
        }
    }
}

/// What a document is made of.
pub struct Parts<'a> {
    /// How it is laid out.
    pub template: Template,
    /// The view, as JSON; the name and the purpose of the attached file are added to it.
    pub data: serde_json::Value,
    /// The file that it carries.
    pub attached: Option<Attached>,
    /// What identifies the document.
    pub identity: &'a str,
    /// kubeproof and its version.
    pub creator: &'a str,
    /// The document's date.
    pub at: DateTime<Utc>,
}

/// A file inside of a PDF, for machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attached {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Its bytes.
    #[serde(skip)]
    pub content: String,
}

impl Attached {
    /// The root of the evidence that a document belongs to, where `verify` reads it.
    pub fn root(root: &Digest, about: &'static str) -> Self {
        Self { name: "evidence-root.txt", about, content: format!("{}\n", root.hex()) }
    }
}

/// Lays the document out and exports it. The same parts give the same bytes.
pub fn render(mut parts: Parts<'_>) -> Result<Vec<u8>, PdfError> {
    glyphs::prepare(&mut parts.data, &FONTS.all);
    if let serde_json::Value::Object(data) = &mut parts.data {
        data.insert("attached".into(), serde_json::to_value(&parts.attached)?);
    }
    let source = |(name, text): (&str, &str)| Ok::<_, PdfError>(Source::new(file_id(name)?, text.into()));
    let world = ReportWorld {
        template: source(parts.template.file())?,
        look: source(LOOK)?,
        data: Bytes::from_string(serde_json::to_string(&parts.data)?),
        attached: parts.attached.take().map(|file| (file.name, Bytes::from_string(file.content))),
    };
    let compiled = typst::compile::<PagedDocument>(&world).output;
    let pdf = compiled.and_then(|document| typst_pdf::pdf(&document, &options(&parts)));
    // The cache would keep every report of a long-lived process.
    typst::comemo::evict(0);
    let _ = timestamp(parts.at).ok_or(PdfError::Time(parts.at))?;
    pdf.map_err(|errors| template_error(&world, errors.first()))
}

fn options(parts: &Parts<'_>) -> PdfOptions {
    PdfOptions {
        ident: Smart::Custom(parts.identity.to_owned()),
        creator: Smart::Custom(Some(parts.creator.to_owned())),
        timestamp: timestamp(parts.at),
        // The two standards are compatible: the default is never used.
        standards: PdfStandards::new(&[PdfStandard::A_3a, PdfStandard::Ua_1]).unwrap_or_default(),
        ..PdfOptions::default()
    }
}

fn timestamp(at: DateTime<Utc>) -> Option<Timestamp> {
    let small = |n: u32| u8::try_from(n).ok();
    Datetime::from_ymd_hms(
        at.year(),
        small(at.month())?,
        small(at.day())?,
        small(at.hour())?,
        small(at.minute())?,
        small(at.second())?,
    )
    .map(Timestamp::new_utc)
}

fn template_error(world: &ReportWorld, error: Option<&SourceDiagnostic>) -> PdfError {
    use typst::WorldExt;
    let Some(error) = error else {
        let message = "typst gave neither a document nor an error".into();
        return PdfError::Template { file: name_of(world.main()), line: 0, message };
    };
    let file = error.span.id().unwrap_or(world.main());
    let source = world.source(file).ok().zip(world.range(error.span));
    let line = source.map_or(0, |(source, range)| source.text()[..range.start].lines().count());
    let hints: String = error.hints.iter().map(|h| format!("; {}", h.v)).collect();
    PdfError::Template { file: name_of(file), line, message: format!("{}{hints}", error.message) }
}

fn name_of(id: FileId) -> String {
    id.get().vpath().get_without_slash().to_owned()
}

fn file_id(path: &str) -> Result<FileId, PdfError> {
    let refused = |e| PdfError::Template { file: path.to_owned(), line: 0, message: format!("{e:?}") };
    let path = VirtualPath::new(path).map_err(refused)?;
    Ok(RootedPath::new(VirtualRoot::Project, path).intern())
}

struct Fonts {
    store: FontStore,
    all: Vec<Font>,
}

impl Fonts {
    fn load() -> Self {
        let own = INTER.into_iter().chain([FALLBACK]).flat_map(|data| Font::iter(Bytes::new(data)));
        let mono = typst_kit::fonts::embedded().map(|(font, _)| font).filter(|font| font.info().family == MONO);
        let all: Vec<Font> = own.chain(mono).collect();
        let mut store = FontStore::new();
        store.extend(all.iter().map(|font| (font.clone(), font.info().clone())));
        Self { store, all }
    }
}

struct ReportWorld {
    template: Source,
    look: Source,
    data: Bytes,
    attached: Option<(&'static str, Bytes)>,
}

impl World for ReportWorld {
    fn library(&self) -> &LazyHash<Library> {
        &LIBRARY
    }

    fn book(&self) -> &LazyHash<FontBook> {
        FONTS.store.book()
    }

    fn main(&self) -> FileId {
        self.template.id()
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        let known = [&self.template, &self.look].into_iter().find(|source| source.id() == id);
        known.cloned().ok_or_else(|| not_found(id))
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        let attached = self.attached.iter().map(|(name, bytes)| (*name, bytes));
        let name = id.get().vpath().get_without_slash();
        let known = attached.chain([("data.json", &self.data)]).find(|(known, _)| *known == name);
        known.map(|(_, bytes)| bytes.clone()).ok_or_else(|| not_found(id))
    }

    fn font(&self, index: usize) -> Option<Font> {
        FONTS.store.font(index)
    }

    fn today(&self, _: Option<Duration>) -> Option<Datetime> {
        None
    }
}

fn not_found(id: FileId) -> FileError {
    FileError::NotFound(name_of(id).into())
}
