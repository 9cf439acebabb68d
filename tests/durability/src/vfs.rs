//! The binding: SQLite's own VFS, with four functions of each watched file and two of the VFS replaced.
//!
//! Invariant: every call goes on to SQLite's own function with the arguments it came with; a watched file's functions are
//! SQLite's own but for write, truncate, sync and close.
#![expect(unsafe_code, reason = "bindings to SQLite's VFS")]

use std::{
    collections::HashMap,
    ffi::{CStr, OsStr, c_char, c_int, c_void},
    os::unix::ffi::OsStrExt as _,
    path::Path,
    sync::{
        Arc, LazyLock, Mutex, Once, PoisonError,
        atomic::{AtomicPtr, Ordering},
    },
};

use longhaul::rusqlite::ffi::{
    SQLITE_FULL, SQLITE_IOERR_FSYNC, SQLITE_IOERR_WRITE, SQLITE_OK, sqlite3_file, sqlite3_filename,
    sqlite3_io_methods, sqlite3_vfs, sqlite3_vfs_find, sqlite3_vfs_register,
};

use crate::disk::{Disk, Operation};

/// SQLite's own VFS, which lives as long as the process.
static OWN: AtomicPtr<sqlite3_vfs> = AtomicPtr::new(std::ptr::null_mut());

/// The open files that are watched, by the address that SQLite gave them.
static OPEN: LazyLock<Mutex<HashMap<usize, Watched>>> = LazyLock::new(Mutex::default);

/// Tables of functions for watched files, by the address of the table that each is made of.
static TABLES: LazyLock<Mutex<HashMap<usize, &'static sqlite3_io_methods>>> =
    LazyLock::new(Mutex::default);

#[derive(Clone)]
struct Watched {
    disk: Arc<Disk>,
    name: String,
    own: &'static sqlite3_io_methods,
}

/// Makes the VFS that watches the default one, once.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: a null name asks for the default VFS, which SQLite keeps as long as the process lives.
        let own = unsafe { sqlite3_vfs_find(std::ptr::null()) };
        assert!(!own.is_null(), "SQLite has a default VFS");
        OWN.store(own, Ordering::SeqCst);
        // SAFETY: `own` is not null and points to a VFS that nobody changes; it is plain data, and may be copied.
        let mut vfs = unsafe { *own };
        vfs.pNext = std::ptr::null_mut();
        vfs.zName = c"longhaul-watched".as_ptr();
        vfs.xOpen = Some(open);
        vfs.xDelete = Some(delete);
        // SAFETY: the VFS is leaked, so it outlives every use, and all its functions are SQLite's own or ours.
        let code = unsafe { sqlite3_vfs_register(Box::into_raw(Box::new(vfs)), 1) };
        assert_eq!(code, SQLITE_OK, "SQLite takes the VFS");
    });
}

unsafe extern "C" fn open(
    _: *mut sqlite3_vfs,
    name: sqlite3_filename,
    file: *mut sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    let own = OWN.load(Ordering::SeqCst);
    // SAFETY: `install` set OWN before SQLite could call this; the arguments go on as they came, and the file has the
    // size that SQLite's own VFS asked for, since ours is a copy of it.
    let code = unsafe {
        match (*own).xOpen {
            Some(open) => open(own, name, file, flags, out),
            None => return SQLITE_IOERR_WRITE,
        }
    };
    // SAFETY: the name is the one that SQLite called with, null or ending with a zero byte.
    let watched = unsafe { path(name) }.and_then(Disk::of);
    if code == SQLITE_OK
        && let Some((disk, name)) = watched
    {
        // SAFETY: an open that went well has set the table, which is static in SQLite.
        let own: &'static sqlite3_io_methods = unsafe { &*(*file).pMethods };
        let watched = Watched { disk, name, own };
        lock(&OPEN).insert(file.addr(), watched);
        // SAFETY: the file is open and nobody else knows it yet.
        unsafe { (*file).pMethods = table(own) };
    }
    code
}

unsafe extern "C" fn delete(_: *mut sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    let own = OWN.load(Ordering::SeqCst);
    // SAFETY: as in `open`: the arguments go on as they came.
    let code = unsafe {
        match (*own).xDelete {
            Some(delete) => delete(own, name, sync),
            None => return SQLITE_IOERR_WRITE,
        }
    };
    // SAFETY: the name is the one that SQLite called with, null or ending with a zero byte.
    let watched = unsafe { path(name) }.and_then(Disk::of);
    if code == SQLITE_OK
        && let Some((disk, name)) = watched
    {
        disk.removed(&name);
    }
    code
}

unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    bytes: *const c_void,
    size: c_int,
    offset: i64,
) -> c_int {
    let (Some(watched), Ok(length), Ok(at)) = (
        watched(file),
        usize::try_from(size),
        usize::try_from(offset),
    ) else {
        return SQLITE_IOERR_WRITE;
    };
    if let Err(fault) = watched.disk.attempt(Operation::Write, &watched.name) {
        return if fault.full {
            SQLITE_FULL
        } else {
            SQLITE_IOERR_WRITE
        };
    }
    let Some(own) = watched.own.xWrite else {
        return SQLITE_IOERR_WRITE;
    };
    // SAFETY: the arguments go on as they came, to the function that opened files of this kind.
    let code = unsafe { own(file, bytes, size, offset) };
    if code == SQLITE_OK {
        // SAFETY: SQLite hands over `size` bytes at `bytes` and does not change them during the call.
        let bytes = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), length) };
        watched.disk.wrote(&watched.name, at, bytes);
    }
    code
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, size: i64) -> c_int {
    let (Some(watched), Ok(to)) = (watched(file), usize::try_from(size)) else {
        return SQLITE_IOERR_WRITE;
    };
    let Some(own) = watched.own.xTruncate else {
        return SQLITE_IOERR_WRITE;
    };
    // SAFETY: the arguments go on as they came, to the function that opened files of this kind.
    let code = unsafe { own(file, size) };
    if code == SQLITE_OK {
        watched.disk.truncated(&watched.name, to);
    }
    code
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, flags: c_int) -> c_int {
    let Some(watched) = watched(file) else {
        return SQLITE_IOERR_FSYNC;
    };
    if let Err(fault) = watched.disk.attempt(Operation::Sync, &watched.name) {
        return if fault.full {
            SQLITE_FULL
        } else {
            SQLITE_IOERR_FSYNC
        };
    }
    let Some(own) = watched.own.xSync else {
        return SQLITE_IOERR_FSYNC;
    };
    let began = watched.disk.now();
    // SAFETY: the arguments go on as they came, to the function that opened files of this kind.
    let code = unsafe { own(file, flags) };
    if code == SQLITE_OK {
        watched.disk.synced(&watched.name, began);
    }
    code
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    let watched = lock(&OPEN).remove(&file.addr());
    match watched.and_then(|watched| watched.own.xClose) {
        // SAFETY: the arguments go on as they came, to the function that opened files of this kind.
        Some(own) => unsafe { own(file) },
        None => SQLITE_IOERR_WRITE,
    }
}

/// The functions of a watched file: its own but for those above. One table is kept for each that SQLite has.
fn table(own: &'static sqlite3_io_methods) -> &'static sqlite3_io_methods {
    lock(&TABLES)
        .entry(std::ptr::from_ref(own).addr())
        .or_insert_with(|| {
            let mut table = *own;
            table.xWrite = Some(write);
            table.xTruncate = Some(truncate);
            table.xSync = Some(sync);
            table.xClose = Some(close);
            Box::leak(Box::new(table))
        })
}

fn watched(file: *mut sqlite3_file) -> Option<Watched> {
    lock(&OPEN).get(&file.addr()).cloned()
}

/// # Safety
/// `name` is null, or ends with a zero byte and lives as long as the path is used.
unsafe fn path<'n>(name: *const c_char) -> Option<&'n Path> {
    if name.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    let name = unsafe { CStr::from_ptr(name) };
    Some(Path::new(OsStr::from_bytes(name.to_bytes())))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
