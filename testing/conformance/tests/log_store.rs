//! The suite against every provider of `log-store`.

use conformance::{Failing, Opened, Provider, Record, check_all};
use log_store::{
    Disk, Fault, Housekeeper, Journal, Local, LocalLog, MemoryDisk, MemoryLog, MemoryStore,
    Options, PageReader, Pager, RealDisk, Step,
};
use model::ShardId;
use tempfile::TempDir;

/// Where a local store lives.
trait Medium {
    type Disk: Disk;

    fn open(&self) -> Self::Disk;
    fn lose(&self, below: &mut dyn FnMut(u64) -> u64);
    fn fail(&self) -> Failing;
}

impl Medium for MemoryDisk {
    type Disk = Self;

    fn open(&self) -> Self {
        self.clone()
    }

    fn lose(&self, below: &mut dyn FnMut(u64) -> u64) {
        self.crash(below);
    }

    fn fail(&self) -> Failing {
        self.fail_sync(1, Fault::Io);
        Failing::Armed
    }
}

impl Medium for TempDir {
    type Disk = RealDisk;

    fn open(&self) -> RealDisk {
        RealDisk::open(self.path()).expect("the folder is not in use")
    }

    /// Only the process ends; what it wrote is there.
    fn lose(&self, _: &mut dyn FnMut(u64) -> u64) {}

    fn fail(&self) -> Failing {
        Failing::Unable
    }
}

struct LocalProvider<M: Medium> {
    medium: M,
    journal: Option<Journal<M::Disk>>,
    housekeeper: Option<Housekeeper<M::Disk>>,
    pager: Option<Pager<M::Disk>>,
    reader: Option<PageReader<M::Disk>>,
}

impl<M: Medium> LocalProvider<M> {
    fn new(medium: M) -> Self {
        Self {
            medium,
            journal: None,
            housekeeper: None,
            pager: None,
            reader: None,
        }
    }
}

impl<M: Medium> LocalProvider<M> {
    fn close(&mut self) {
        self.journal = None;
        self.housekeeper = None;
        self.pager = None;
        self.reader = None;
    }
}

impl<M: Medium> Provider for LocalProvider<M> {
    type Log = LocalLog;

    fn open(&mut self, shards: u16) -> Opened<LocalLog> {
        self.close();
        let mut replayed = Vec::new();
        let options = Options {
            free_bytes_min: 0,
            shards,
            segment_bytes: 4096,
            page_segment_bytes: 4096,
        };
        let local = Local::open(self.medium.open(), options, &mut |record| {
            replayed.push(Record::from(record));
        })
        .expect("nothing durable was damaged");
        self.journal = Some(local.journal);
        self.housekeeper = Some(local.housekeeper);
        self.pager = Some(local.pager);
        self.reader = Some(local.reader);
        let logs = local.logs;
        Opened { logs, replayed }
    }

    fn round(&mut self) {
        drop(self.journal.as_mut().expect("it is open").round());
    }

    fn keep_house(&mut self) {
        let housekeeper = self.housekeeper.as_mut().expect("it is open");
        while matches!(housekeeper.step(), Ok(Step::Worked)) {}
        let pager = self.pager.as_mut().expect("it is open");
        while matches!(pager.step(), Ok(Step::Worked)) {}
        let reader = self.reader.as_mut().expect("it is open");
        while matches!(reader.step(), Ok(Step::Worked)) {}
    }

    fn crash(&mut self, below: &mut dyn FnMut(u64) -> u64) {
        self.close();
        self.medium.lose(below);
    }

    fn fail(&mut self) -> Failing {
        self.medium.fail()
    }
}

/// A local store whose power fails in the middle of a round.
struct TornProvider(LocalProvider<MemoryDisk>);

impl Provider for TornProvider {
    type Log = LocalLog;

    fn open(&mut self, shards: u16) -> Opened<LocalLog> {
        self.0.open(shards)
    }

    fn round(&mut self) {
        self.0.round();
    }

    fn keep_house(&mut self) {
        self.0.keep_house();
    }

    fn crash(&mut self, below: &mut dyn FnMut(u64) -> u64) {
        // The round's write, or its sync; or one of a page's.
        self.0.medium.crash_at(1 + below(4));
        self.0.round();
        if let Some(pager) = &mut self.0.pager {
            while matches!(pager.step(), Ok(Step::Worked)) {}
        }
        self.0.crash(below);
    }

    fn fail(&mut self) -> Failing {
        self.0.fail()
    }
}

struct MemoryProvider(MemoryStore, Failing, u16);

impl Provider for MemoryProvider {
    type Log = MemoryLog;

    fn open(&mut self, shards: u16) -> Opened<MemoryLog> {
        self.2 = shards;
        let mut replayed = Vec::new();
        let logs = self
            .0
            .open(shards, &mut |record| replayed.push(Record::from(record)));
        Opened { logs, replayed }
    }

    fn round(&mut self) {
        if self.1 == Failing::Armed {
            self.1 = Failing::Unable;
            self.0.fail();
        }
        self.0.round();
    }

    fn keep_house(&mut self) {
        for shard in (0..self.2).map(ShardId) {
            self.0.pages_of(shard);
        }
    }

    fn crash(&mut self, below: &mut dyn FnMut(u64) -> u64) {
        self.0.crash(&mut |_, unsynced| below(unsynced + 1));
    }

    fn fail(&mut self) -> Failing {
        self.1 = Failing::Armed;
        Failing::Armed
    }
}

#[test]
fn local_on_a_memory_disk() {
    check_all(|| LocalProvider::new(MemoryDisk::new()));
}

#[test]
fn local_on_a_memory_disk_with_torn_rounds() {
    check_all(|| TornProvider(LocalProvider::new(MemoryDisk::new())));
}

#[test]
fn local_on_a_real_folder() {
    check_all(|| LocalProvider::new(tempfile::tempdir().expect("a temporary folder")));
}

#[test]
fn memory() {
    check_all(|| MemoryProvider(MemoryStore::new(), Failing::Unable, 0));
}

#[test]
fn the_shards_of_a_memory_store_lose_their_tails_independently() {
    use log_store::ShardLog;
    let store = MemoryStore::new();
    let mut logs = store.open(2, &mut |_| {});
    for log in &mut logs {
        for payload in [b"a", b"b"] {
            let mut batch = log.batch();
            batch.push(1, |out| out.extend_from_slice(payload));
            log.submit(batch).expect("the store has not failed");
        }
    }
    store.round_of(ShardId(1));
    store.crash(&mut |shard, unsynced| {
        assert_eq!((shard, unsynced), (ShardId(0), 2));
        1
    });
    let mut counts = [0; 2];
    store.open(2, &mut |record| counts[usize::from(record.shard.0)] += 1);
    assert_eq!(counts, [1, 2]);
}

#[test]
fn a_memory_store_can_run_out_of_room_and_damage_pages() {
    use log_store::{PageNews, PageSource, ShardLog, Space};
    use model::PageNumber;

    struct Letter;

    impl PageSource for Letter {
        fn encode(&mut self, payload: &mut Vec<u8>) {
            payload.push(b'x');
        }
    }

    let store = MemoryStore::new();
    let mut logs = store.open(1, &mut |_| {});
    let (shard, page) = (ShardId(0), PageNumber(1));
    let mut news = Vec::new();
    let mut work = |log: &mut MemoryLog| {
        store.pages_of(shard);
        log.take_page_news(&mut news);
        news.pop()
    };
    store.refuse_pages(true);
    logs[0].save_page(page, Box::new(Letter));
    assert_eq!(work(&mut logs[0]), Some(PageNews::NotSaved { page }));
    store.refuse_pages(false);
    logs[0].save_page(page, Box::new(Letter));
    let saved = work(&mut logs[0]);
    assert_eq!(saved, Some(PageNews::Saved { page, bytes: 24 }));
    assert_eq!(store.saved_pages(shard), [(page, b"x".to_vec())]);
    store.damage_page(shard, page);
    logs[0].read_page(page);
    let read = work(&mut logs[0]);
    assert!(matches!(read, Some(PageNews::Damaged { .. })), "{read:?}");
    assert_eq!(logs[0].space(), Space::Enough);
    store.set_space(Space::Low);
    assert_eq!(logs[0].space(), Space::Low);
}
