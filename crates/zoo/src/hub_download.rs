//! Downloads from the Hugging Face hub into its own cache (cargo feature `hub`).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use hf_hub::progress::{DownloadEvent, ProgressEvent, ProgressHandler};
use hf_hub::{HFClient, HFClientSync, HFError};

use crate::fetch::{FetchEvent, Observer};
use crate::{Source, ZooError};

const TICK: Duration = Duration::from_millis(100);

/// Bytes so far and in all, as the client reports them; 0 while not known.
#[derive(Default)]
struct Meter {
    bytes: AtomicU64,
    total: AtomicU64,
}

impl ProgressHandler for Meter {
    fn on_progress(&self, event: &ProgressEvent) {
        if let ProgressEvent::Download(event) = event {
            match event {
                DownloadEvent::Start { total_bytes, .. } => {
                    self.total.store(*total_bytes, Ordering::Relaxed);
                }
                DownloadEvent::Progress { files } => {
                    if let Some(file) = files.last() {
                        self.bytes.store(file.bytes_completed, Ordering::Relaxed);
                    }
                }
                DownloadEvent::AggregateProgress { bytes_completed, .. } => {
                    self.bytes.store(*bytes_completed, Ordering::Relaxed);
                }
                DownloadEvent::Complete => {}
            }
        }
    }
}

/// Downloads on a thread of its own; on a wish to stop that thread is left alone and its partial
/// file is taken up by the next download.
pub(crate) fn download(
    folder: &Path,
    source: &Source,
    observer: &mut Observer<'_>,
) -> Result<PathBuf, ZooError> {
    let Source::Hub { repo, revision, file } = source.clone() else {
        return Err(ZooError::NotInHubCache {
            what: observer.what.clone(),
            folder: folder.to_owned(),
        });
    };
    observer.tell(FetchEvent::Started { source: observer.what.clone() })?;
    let meter = Arc::new(Meter::default());
    let (send, receive) = channel();
    let (folder, seen) = (folder.to_owned(), Arc::clone(&meter));
    std::thread::spawn(move || {
        let get = || -> Result<PathBuf, HFError> {
            let client = HFClientSync::from_inner(HFClient::builder().cache_dir(folder).build()?)?;
            let (owner, name) = repo.split_once('/').unwrap_or((&repo, ""));
            let model = client.model(owner, name);
            model.download_file().filename(file).revision(revision).progress(seen).send()
        };
        // Nobody listens after a wish to stop.
        let _ = send.send(get());
    });
    loop {
        match receive.recv_timeout(TICK) {
            Ok(Ok(path)) => return Ok(path),
            Ok(Err(e)) => {
                return Err(ZooError::Hub { what: observer.what.clone(), source: Box::new(e) });
            }
            Err(RecvTimeoutError::Timeout) => {
                let total = Some(meter.total.load(Ordering::Relaxed)).filter(|t| *t > 0);
                let bytes = meter.bytes.load(Ordering::Relaxed);
                observer.tell(FetchEvent::Progress { bytes, total })?;
            }
            Err(RecvTimeoutError::Disconnected) => {
                let source = HFError::Other("the download thread ended without an answer".into());
                return Err(ZooError::Hub { what: observer.what.clone(), source: source.into() });
            }
        }
    }
}
