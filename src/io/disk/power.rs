//! A disk whose power goes: it does what the machine's does and remembers each call; afterwards it says what may be left
//! of it. What was not synced may be there, or not, each folder and each file for itself, and a file may be torn.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::{Disk, NewFile, System};

/// One call, as it was done.
#[derive(Debug, Clone)]
enum Call {
    MakeFolder(PathBuf),
    Create(PathBuf),
    Write(PathBuf, Vec<u8>),
    SyncFile(PathBuf),
    Rename(PathBuf, PathBuf),
    Exchange(PathBuf, PathBuf),
    Remove(PathBuf),
    SyncFolder(PathBuf),
}

impl Call {
    /// What it makes durable, where it is such a call.
    fn syncs(&self) -> Option<&Path> {
        match self {
            Self::SyncFile(path) | Self::SyncFolder(path) => Some(path),
            _ => None,
        }
    }
}

/// What a call ends in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    /// This call fails, those behind it do what they are for.
    FailsAt(usize),
    /// The power goes before this call: nothing is done any more.
    PowerGoesAt(usize),
}

#[derive(Debug)]
struct Log {
    calls: Vec<Call>,
    /// Calls asked for, those that failed among them.
    asked: usize,
    trouble: Trouble,
}

/// The disk, as a store sees it. Clones are one.
#[derive(Debug, Clone)]
pub struct FaultyDisk(Arc<Mutex<Log>>);

impl FaultyDisk {
    fn new(trouble: Trouble) -> Self {
        Self(Arc::new(Mutex::new(Log { calls: Vec::new(), asked: 0, trouble })))
    }

    fn call<T>(&self, call: Call, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let mut log = self.0.lock().unwrap();
        let number = log.asked;
        log.asked += 1;
        match log.trouble {
            Trouble::FailsAt(at) if at == number => return Err(io::Error::other("this call fails")),
            Trouble::PowerGoesAt(at) if at <= number => return Err(io::Error::other("there is no power")),
            _ => {}
        }
        let done = act()?;
        log.calls.push(call);
        Ok(done)
    }
}

impl Disk for FaultyDisk {
    fn make_folder(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.call(Call::MakeFolder(path.to_owned()), || System.make_folder(path, mode))
    }

    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn NewFile>> {
        let file = self.call(Call::Create(path.to_owned()), || System.create(path, mode))?;
        Ok(Box::new(FaultyFile { disk: self.clone(), path: path.to_owned(), file }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(Call::Rename(from.to_owned(), to.to_owned()), || System.rename(from, to))
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(Call::Rename(from.to_owned(), to.to_owned()), || System.rename_new(from, to))
    }

    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        self.call(Call::Exchange(one.to_owned(), other.to_owned()), || System.exchange(one, other))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.call(Call::Remove(path.to_owned()), || System.remove_file(path))
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.call(Call::Remove(path.to_owned()), || System.remove_folder(path))
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.call(Call::SyncFolder(path.to_owned()), || System.sync_folder(path))
    }
}

struct FaultyFile {
    disk: FaultyDisk,
    path: PathBuf,
    file: Box<dyn NewFile>,
}

impl NewFile for FaultyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let call = Call::Write(self.path.clone(), bytes.to_vec());
        self.disk.clone().call(call, || self.file.write(bytes))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.clone().call(Call::SyncFile(self.path.clone()), || self.file.sync())
    }
}

/// What stands on a disk: content as programs see it, and as it would come back.
#[derive(Debug, Clone)]
enum Inode {
    File { seen: Vec<u8>, durable: Vec<u8> },
    Folder { seen: BTreeMap<String, usize>, durable: BTreeMap<String, usize> },
}

#[derive(Debug, Clone)]
struct Model {
    root: PathBuf,
    inodes: Vec<Inode>,
}

impl Model {
    /// The content of the folder at `root`, all of it durable.
    fn of(root: &Path) -> Self {
        let folder = Inode::Folder { seen: BTreeMap::new(), durable: BTreeMap::new() };
        let mut model = Self { root: root.to_owned(), inodes: vec![folder] };
        model.read(root, 0);
        model
    }

    fn read(&mut self, folder: &Path, number: usize) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let below = self.inodes.len();
            if path.is_dir() {
                self.inodes.push(Inode::Folder { seen: BTreeMap::new(), durable: BTreeMap::new() });
                self.read(&path, below);
            } else {
                let content = fs::read(&path).unwrap();
                self.inodes.push(Inode::File { seen: content.clone(), durable: content });
            }
            let Inode::Folder { seen, durable } = &mut self.inodes[number] else { unreachable!() };
            seen.insert(name.clone(), below);
            durable.insert(name, below);
        }
    }

    fn names(&mut self, path: &Path) -> (&mut BTreeMap<String, usize>, String) {
        let folder = self.find(path.parent().unwrap());
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let Inode::Folder { seen, .. } = &mut self.inodes[folder] else { unreachable!() };
        (seen, name)
    }

    fn find(&self, path: &Path) -> usize {
        path.strip_prefix(&self.root).unwrap().iter().fold(0, |at, name| match &self.inodes[at] {
            Inode::Folder { seen, .. } => seen[name.to_str().unwrap()],
            Inode::File { .. } => unreachable!(),
        })
    }

    fn add(&mut self, path: &Path, inode: Inode) {
        let number = self.inodes.len();
        self.inodes.push(inode);
        let (names, name) = self.names(path);
        names.insert(name, number);
    }

    fn clear(&mut self, number: usize) {
        let Inode::Folder { seen, .. } = &mut self.inodes[number] else { return };
        for below in std::mem::take(seen).into_values() {
            self.clear(below);
        }
    }

    fn apply(&mut self, call: &Call) {
        match call {
            Call::MakeFolder(path) => {
                self.add(path, Inode::Folder { seen: BTreeMap::new(), durable: BTreeMap::new() });
            }
            Call::Create(path) => self.add(path, Inode::File { seen: Vec::new(), durable: Vec::new() }),
            Call::Write(path, bytes) => {
                let number = self.find(path);
                let Inode::File { seen, .. } = &mut self.inodes[number] else { unreachable!() };
                seen.extend_from_slice(bytes);
            }
            Call::SyncFile(path) | Call::SyncFolder(path) => {
                let number = self.find(path);
                match &mut self.inodes[number] {
                    Inode::File { seen, durable } => durable.clone_from(seen),
                    Inode::Folder { seen, durable } => durable.clone_from(seen),
                }
            }
            Call::Rename(from, to) => {
                let (names, name) = self.names(from);
                let number = names.remove(&name).unwrap();
                let (names, name) = self.names(to);
                names.insert(name, number);
            }
            Call::Exchange(one, other) => {
                let (first, second) = (self.find(one), self.find(other));
                let (names, name) = self.names(one);
                names.insert(name, second);
                let (names, name) = self.names(other);
                names.insert(name, first);
            }
            Call::Remove(path) => {
                let (names, name) = self.names(path);
                let number = names.remove(&name).unwrap();
                self.clear(number);
            }
        }
    }

    /// What may be left when the power goes now: `keeps` says of a folder or file whether what was not synced is there.
    fn write_out(&self, number: usize, to: &Path, keeps: &dyn Fn(usize) -> Left) {
        let Inode::Folder { seen, durable } = &self.inodes[number] else { unreachable!() };
        for (name, below) in if keeps(number) == Left::Durable { durable } else { seen } {
            let path = to.join(name);
            match &self.inodes[*below] {
                Inode::Folder { .. } => {
                    fs::create_dir(&path).unwrap();
                    self.write_out(*below, &path, keeps);
                }
                Inode::File { seen, durable } => {
                    let content = match keeps(*below) {
                        Left::Durable => &durable[..],
                        Left::Torn => &seen[..seen.len().div_ceil(2).max(durable.len().min(seen.len()))],
                        Left::Seen => &seen[..],
                    };
                    fs::write(path, content).unwrap();
                }
            }
        }
    }
}

/// What is left of a folder or file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// What was synced.
    Durable,
    /// Of a file what was synced and a part of the rest; of a folder everything.
    Torn,
    /// Everything.
    Seen,
}

/// What is left of each folder and file, by its number.
type Keeps<'a> = Box<dyn Fn(usize) -> Left + 'a>;

/// Which calls of sync the disk does not keep its word about.
type Lies<'a> = &'a dyn Fn(&Call) -> bool;

/// Something that is kept, tried with each trouble in turn.
pub struct Trial<'a> {
    /// Makes what was there before, in a folder.
    pub prepare: &'a dyn Fn(&Path),
    /// What is tried, in that folder and on that disk; whether it has said that it is done.
    pub work: &'a dyn Fn(&Path, FaultyDisk) -> bool,
    /// Whether what is left in a folder is in order; it is told whether the work has said that it is done.
    pub check: &'a dyn Fn(&Path, bool) -> Result<(), String>,
}

impl Trial<'_> {
    /// Runs it with every trouble, and shows that each sync is needed: if the disk lies about it, something is lost.
    pub fn run(&self) {
        let calls = self.with(Trouble::None, &|_| false).unwrap();
        for (at, call) in calls.iter().enumerate() {
            for trouble in [Trouble::FailsAt(at), Trouble::PowerGoesAt(at)] {
                if let Err(wrong) = self.with(trouble, &|_| false) {
                    panic!("{trouble:?}, {call:?}: {wrong}");
                }
            }
        }
        // Of several syncs of one thing the last one does what the others do: they are needed together.
        let synced: BTreeSet<&Path> = calls.iter().filter_map(Call::syncs).collect();
        for what in synced {
            let lies = |call: &Call| call.syncs().is_some_and(|path| path.file_name() == what.file_name());
            let harm = self.with(Trouble::None, &lies).is_err()
                || (0..calls.len()).any(|at| self.with(Trouble::PowerGoesAt(at), &lies).is_err());
            assert!(harm, "nothing is lost where {what:?} is not synced: it need not be, or nobody looks");
        }
    }

    fn with(&self, trouble: Trouble, lies: Lies<'_>) -> Result<Vec<Call>, String> {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("disk");
        fs::create_dir(&root).unwrap();
        (self.prepare)(&root);
        let mut model = Model::of(&root);
        let disk = FaultyDisk::new(trouble);
        let done = (self.work)(&root, disk.clone());
        let calls = disk.0.lock().unwrap().calls.clone();
        if !matches!(trouble, Trouble::PowerGoesAt(_)) {
            (self.check)(&root, done).map_err(|wrong| format!("with power: {wrong}"))?;
        }
        calls.iter().filter(|call| !lies(call)).for_each(|call| model.apply(call));
        self.check_all_that_may_be_left(&model, done)?;
        Ok(calls)
    }

    fn check_all_that_may_be_left(&self, model: &Model, done: bool) -> Result<(), String> {
        let all = model.inodes.len();
        let is_folder = |number: usize| matches!(model.inodes[number], Inode::Folder { .. });
        let mut cases: Vec<(String, Keeps<'_>)> = Vec::new();
        for left in [Left::Durable, Left::Torn, Left::Seen] {
            cases.push((format!("{left:?}"), Box::new(move |_| left)));
            cases.push((
                format!("names seen, content {left:?}"),
                Box::new(move |number| if is_folder(number) { Left::Seen } else { left }),
            ));
        }
        for one in 0..all {
            cases.push((
                format!("{one} alone seen"),
                Box::new(move |number| if number == one { Left::Seen } else { Left::Durable }),
            ));
            cases.push((
                format!("{one} alone durable"),
                Box::new(move |number| if number == one { Left::Durable } else { Left::Seen }),
            ));
        }
        for (name, keeps) in cases {
            let left = tempfile::tempdir().unwrap();
            model.write_out(0, left.path(), &keeps);
            (self.check)(left.path(), done).map_err(|wrong| format!("without power, {name}: {wrong}"))?;
        }
        Ok(())
    }
}
