//! The store on a real folder.

use log_store::{FolderError, Local, Options, RealDisk, ShardLog};

#[test]
fn a_second_opener_is_refused_and_told_the_folder() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a/b");
    let disk = RealDisk::open(&folder).unwrap();
    let refused = RealDisk::open(&folder).unwrap_err();
    assert!(matches!(&refused, FolderError::InUse(named) if *named == folder));
    assert_eq!(
        refused.to_string(),
        format!(
            "the data folder {} is in use by another process",
            folder.display()
        )
    );
    drop(disk);
    RealDisk::open(&folder).unwrap();
}

#[test]
fn a_store_comes_back_from_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    for turn in 0..3 {
        let disk = RealDisk::open(folder.path()).unwrap();
        let mut replayed = 0;
        let local = Local::open(disk, Options::default(), &mut |record| {
            assert_eq!(record.payload, [7; 300]);
            replayed += 1;
        });
        let Local {
            mut logs,
            journal,
            housekeeper,
            ..
        } = local.unwrap();
        assert_eq!(replayed, turn * 64 * 10);
        for log in &mut logs {
            let mut batch = log.batch();
            for _ in 0..10 {
                batch.push(1, |out| out.extend_from_slice(&[7; 300]));
            }
            log.submit(batch).unwrap();
        }
        drop(logs);
        journal.run().unwrap();
        housekeeper.run().unwrap();
    }
}
