//! The pages of one shard of a store in memory.

use crate::local::{Corruption, Flaw};
use crate::shard_log::{PageNews, PageSource};
use model::{PageNumber, ShardId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What a shard has in pages, and what it has asked for.
#[derive(Debug, Default)]
pub(super) struct Pages {
    saved: BTreeMap<PageNumber, Vec<u8>>,
    /// Those that can no longer be read.
    damaged: BTreeSet<PageNumber>,
    requests: VecDeque<Request>,
    news: Vec<PageNews>,
}

enum Request {
    Save(PageNumber, Box<dyn PageSource>),
    Read(PageNumber),
    Free(PageNumber),
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Save(page, _) => f.debug_tuple("Save").field(page).finish_non_exhaustive(),
            Self::Read(page) => f.debug_tuple("Read").field(page).finish(),
            Self::Free(page) => f.debug_tuple("Free").field(page).finish(),
        }
    }
}

impl Pages {
    pub(super) fn save(&mut self, page: PageNumber, source: Box<dyn PageSource>) {
        self.requests.push_back(Request::Save(page, source));
    }

    pub(super) fn read(&mut self, page: PageNumber) {
        self.requests.push_back(Request::Read(page));
    }

    pub(super) fn free(&mut self, page: PageNumber) {
        self.requests.push_back(Request::Free(page));
    }

    pub(super) fn take_news(&mut self, to: &mut Vec<PageNews>) {
        to.append(&mut self.news);
    }

    pub(super) fn keep(&mut self, pages: &[PageNumber]) -> Vec<PageNumber> {
        assert!(pages.is_sorted(), "the pages to be kept ascend");
        self.saved
            .retain(|page, _| pages.binary_search(page).is_ok());
        let missing = pages.iter().filter(|page| !self.saved.contains_key(page));
        missing.copied().collect()
    }

    pub(super) fn last(&self) -> PageNumber {
        let last = self.saved.last_key_value();
        last.map_or_else(PageNumber::default, |(page, _)| *page)
    }

    pub(super) fn damage(&mut self, page: PageNumber) {
        self.damaged.insert(page);
    }

    /// What is saved.
    pub(super) fn saved(&self) -> impl Iterator<Item = (PageNumber, &[u8])> {
        let saved = self.saved.iter();
        saved.map(|(page, payload)| (*page, payload.as_slice()))
    }

    /// Does what was asked for, in order. Returns how much that was.
    pub(super) fn work(&mut self, shard: ShardId, refuses: bool) -> usize {
        let requests = std::mem::take(&mut self.requests);
        let count = requests.len();
        for request in requests {
            match request {
                Request::Save(page, _) if refuses => self.news.push(PageNews::NotSaved { page }),
                Request::Save(page, mut source) => {
                    let mut payload = Vec::new();
                    source.encode(&mut payload);
                    let bytes = crate::record::framed_bytes(payload.len());
                    let bytes = u64::try_from(bytes).expect("sizes in memory fit 64 bits");
                    self.saved.insert(page, payload);
                    self.damaged.remove(&page);
                    self.news.push(PageNews::Saved { page, bytes });
                }
                Request::Read(page) => {
                    let news = self.look(shard, page);
                    self.news.push(news);
                }
                Request::Free(page) => {
                    self.saved.remove(&page);
                    self.damaged.remove(&page);
                }
            }
        }
        count
    }

    fn look(&self, shard: ShardId, page: PageNumber) -> PageNews {
        let flaw = match self.saved.get(&page) {
            Some(_) if self.damaged.contains(&page) => Flaw::Page,
            Some(payload) => {
                let payload = payload.clone();
                return PageNews::Read { page, payload };
            }
            None => Flaw::NoPage,
        };
        let corruption = Corruption {
            file: "memory".to_owned(),
            offset: 0,
            shard: Some(shard),
            index: None,
            flaw,
        };
        PageNews::Damaged { page, corruption }
    }

    /// Whether there is something that was not taken.
    pub(super) fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// Loses what was asked for and not done.
    pub(super) fn crash(&mut self) {
        self.requests.clear();
        self.news.clear();
    }
}
