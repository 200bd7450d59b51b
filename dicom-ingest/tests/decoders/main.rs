//! Files read in processes of their own. The program of this test is the process too: it serves a pool with the code of the
//! product, and misbehaves by what stands around it, so that the product has no ask for misbehaving.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "a test may stop where it fails"
)]

mod process;
mod queued;
#[path = "../support/mod.rs"]
mod support;
mod threads;

use std::process::{Command, ExitCode};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dicom_ingest::decoders::{Event, Pool, PoolOptions};
use dicom_ingest::deidentify::{Key, Options};
use dicom_ingest::file::FileBytes;
use dicom_ingest::limits::Limits;
use dicom_ingest::phantom::{PhantomSpec, phantom_chest};
use dicom_ingest::reader::{Header, InProcess, Reader};
use dicom_ingest::refusal::RefusalCode;
use process::COULD;
use support::file::{Element, Encoding, Picture, Value};

const MIB: u64 = 1 << 20;
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, how] = arguments.as_slice()
        && first == "decode-process"
    {
        return process::child(how);
    }
    let wanted = arguments.iter().find(|argument| !argument.starts_with('-'));
    for (name, test) in TESTS {
        if wanted.is_none_or(|wanted| name.contains(wanted.as_str())) {
            test();
            println!("test {name} ... ok");
        }
    }
    ExitCode::SUCCESS
}

const TESTS: &[(&str, fn())] = &[
    ("what_a_process_reads_is_what_this_one_reads", what_a_process_reads_is_what_this_one_reads),
    ("what_is_not_sent_of_a_file_changes_nothing", what_is_not_sent_of_a_file_changes_nothing),
    ("refusals_come_through", refusals_come_through),
    ("a_killed_process_is_replaced_and_costs_no_file", a_killed_process_is_replaced_and_costs_no_file),
    ("a_file_that_kills_its_process_is_refused", a_file_that_kills_its_process_is_refused),
    ("a_stopped_process_is_refused_in_time", a_stopped_process_is_refused_in_time),
    ("a_file_beyond_the_memory_is_refused", a_file_beyond_the_memory_is_refused),
    ("a_process_that_floods_is_cut_off", a_process_that_floods_is_cut_off),
    ("a_process_that_lies_is_cut_off", a_process_that_lies_is_cut_off),
    ("a_bounded_process_can_do_nothing_else", a_bounded_process_can_do_nothing_else),
    ("the_same_attempts_succeed_without_bounds", the_same_attempts_succeed_without_bounds),
    ("no_process_is_no_verdict_on_the_file", no_process_is_no_verdict_on_the_file),
    ("a_pool_has_no_more_processes_than_it_may", a_pool_has_no_more_processes_than_it_may),
    ("files_in_a_row_are_read_as_each_alone", queued::files_in_a_row_are_read_as_each_alone),
    (
        "only_the_file_that_loses_its_process_is_refused",
        queued::only_the_file_that_loses_its_process_is_refused,
    ),
    ("who_stops_early_leaves_nothing_behind", queued::who_stops_early_leaves_nothing_behind),
    ("a_long_series_lets_others_in", queued::a_long_series_lets_others_in),
    ("a_lossy_jpeg_is_read_with_its_threads", threads::a_lossy_jpeg_is_read_with_its_threads),
    ("threads_change_nothing_of_jpeg_2000", threads::threads_change_nothing_of_jpeg_2000),
    (
        "jpeg_2000_is_decoded_by_threads_where_there_are_some",
        threads::jpeg_2000_is_decoded_by_threads_where_there_are_some,
    ),
    ("processes_share_the_threads", threads::processes_share_the_threads),
];

type Heard = Arc<Mutex<Vec<Event>>>;

fn options(how: &'static str, heard: &Heard) -> PoolOptions {
    let heard = Arc::clone(heard);
    PoolOptions {
        command: Box::new(move || {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["decode-process", how]);
            Ok(command)
        }),
        processes: 2,
        threads: 1,
        limits: Limits::default(),
        memory_bytes: 1024 * MIB,
        timeout: Duration::from_mins(1),
        heard: Box::new(move |event| heard.lock().unwrap().push(event.clone())),
    }
}

fn pool(how: &'static str) -> (Pool, Heard) {
    let heard = Heard::default();
    (Pool::open(options(how, &heard)).unwrap(), heard)
}

fn started(heard: &Heard) -> Vec<u32> {
    let heard = heard.lock().unwrap();
    let pid = |event: &Event| match event {
        Event::Started { process, .. } => Some(*process),
        _ => None,
    };
    heard.iter().filter_map(pid).collect()
}

fn lost(heard: &Heard) -> Vec<String> {
    let heard = heard.lock().unwrap();
    let reason = |event: &Event| match event {
        Event::Lost { reason, .. } => Some(reason.clone()),
        _ => None,
    };
    heard.iter().filter_map(reason).collect()
}

fn signal(name: &str, process: u32) {
    assert!(Command::new("kill").args(["-s", name, &process.to_string()]).status().unwrap().success());
}

fn phantom() -> Vec<u8> {
    phantom_chest(&PhantomSpec {
        seed: 7,
        patient_id: "DECODERS".into(),
        patient_name: "Test^Älter=山田^太郎".into(),
        birth_date: jiff::civil::date(1950, 2, 3),
        sex: dicom_ingest::patient::Sex::Female,
        issuer: "TESTS".into(),
        study_time: jiff::civil::date(2024, 5, 6).at(7, 8, 9, 0),
        offset_minutes: Some(60),
        accession_number: "ACC7".into(),
        opacity: None,
    })
    .unwrap()
}

fn picture(rows: u16, columns: u16, signed: bool) -> Picture {
    let samples = (0..u32::from(rows) * u32::from(columns))
        .map(|index| (index as u16).wrapping_mul(2_654) & 0xFFF)
        .collect();
    Picture {
        rows,
        columns,
        allocated: 16,
        stored: 12,
        high: 11,
        signed,
        photometric: "MONOCHROME2",
        frames: 1,
        samples,
        more: Vec::new(),
    }
}

/// Files of the shared corpus, as far as it is there.
fn corpus() -> Vec<Vec<u8>> {
    let mut open: Vec<_> = support::data::folder("dicom-corpus").into_iter().collect();
    let mut files = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            files.push(std::fs::read(path).unwrap());
        }
    }
    files
}

/// Whether a file is decoded; by both readers, to the same values, or refused by both for the same.
fn decoded_alike(there: &dyn Reader, here: &dyn Reader, file: &[u8]) -> bool {
    match (there.decode(&FileBytes::new(file)), here.decode(&FileBytes::new(file))) {
        (Ok(there), Ok(here)) => {
            assert_eq!(there.frames, here.frames, "every value");
            assert_eq!(format!("{:?}", there.instance), format!("{:?}", here.instance));
            true
        }
        (there, here) => {
            assert_eq!(there.unwrap_err(), here.unwrap_err());
            false
        }
    }
}

fn code(header: &Header) -> Option<RefusalCode> {
    match header {
        Header::Refused(_, refusal) => Some(refusal.code),
        _ => None,
    }
}

fn what_a_process_reads_is_what_this_one_reads() {
    let (pool, _) = pool("honest");
    let here = InProcess::default();
    let mut files = vec![phantom()];
    files.extend(Encoding::ALL.map(|encoding| picture(9, 7, true).file(encoding)));
    files.extend(corpus());
    for file in &files {
        let names = |header: &Header| match header {
            Header::Instance(instance) => {
                let name = instance.patient.name.as_ref().map(|name| name.expose().clone());
                (format!("{instance:?}"), name)
            }
            other => (format!("{other:?}"), None),
        };
        let header = |reader: &dyn Reader| names(&reader.header(&FileBytes::new(file)));
        assert_eq!(header(&pool), header(&here));
        decoded_alike(&pool, &here, file);
        assert_eq!(pool.report(&FileBytes::new(file)), here.report(&FileBytes::new(file)));
        let options = Options::basic(Key::new([9; 32]));
        let written = |reader: &dyn Reader| {
            reader
                .deidentify(&FileBytes::new(file), &options)
                .map(|done| (done.named, done.bytes))
                .map_err(|refusal| refusal.code)
        };
        assert!(written(&pool) == written(&here), "the same file without its patient");
    }
}

/// Plain pixels stay where they are; a long header, elements behind the pixels and other encodings make the process ask again.
fn what_is_not_sent_of_a_file_changes_nothing() {
    let (pool, heard) = pool("honest");
    let here = InProcess::default();
    let large = picture(200, 300, true);
    let with = |element: Element| Picture { more: vec![element], ..large.clone() };
    let pictures = [
        large.clone(),
        with((0x29, 0x1010, "OB", Value::Bytes(vec![7; 40_000]))),
        with((0xFFFC, 0xFFFC, "OB", Value::Bytes(vec![0; 6_000]))),
        Picture { samples: vec![0; 60_000], ..large.clone() },
        Picture { high: 15, ..large.clone() },
        Picture { photometric: "RGB", ..large.clone() },
        Picture { rows: 100, frames: 2, ..large.clone() },
    ];
    for encoding in Encoding::ALL {
        for file in pictures.iter().map(|picture| picture.file(encoding)) {
            for bytes in [file.as_slice(), &file[..file.len() / 4 * 3]] {
                let header = |reader: &dyn Reader| format!("{:?}", reader.header(&FileBytes::new(bytes)));
                assert_eq!(header(&pool), header(&here));
                decoded_alike(&pool, &here, bytes);
            }
        }
    }
    assert_eq!(lost(&heard).len(), 0);
}

fn refusals_come_through() {
    let (pool, heard) = pool("honest");
    for file in [b"".as_slice(), b"not DICOM", &phantom()[..5000]] {
        let file = FileBytes::new(file);
        let refusal = InProcess::default().decode(&file).unwrap_err();
        assert_eq!(pool.decode(&file).unwrap_err(), refusal);
    }
    let heard_before = Heard::default();
    let small = PoolOptions {
        limits: Limits { max_file_bytes: 100, ..Limits::default() },
        ..options("honest", &heard_before)
    };
    let refusal = Pool::open(small).unwrap().decode(&FileBytes::new(phantom())).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::TooLarge);
    assert_eq!((started(&heard).len(), lost(&heard).len()), (1, 0), "a refusal costs no process");
}

fn a_killed_process_is_replaced_and_costs_no_file() {
    let (pool, heard) = pool("honest");
    let file = FileBytes::new(phantom());
    for round in 1..=3 {
        assert!(pool.decode(&file).is_ok());
        signal("KILL", *started(&heard).last().unwrap());
        assert!(matches!(pool.header(&file), Header::Instance(_)));
        assert_eq!(started(&heard).len(), 1 + round);
        assert_eq!(lost(&heard).len(), round);
    }
    assert!(lost(&heard)[0].contains("signal: 9"), "{:?}", lost(&heard));
}

fn a_file_that_kills_its_process_is_refused() {
    let (pool, heard) = pool("abort");
    let refusal = pool.decode(&FileBytes::new(phantom())).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::DecoderDied);
    assert!(refusal.message.contains("signal: 6"), "{}", refusal.message);
    assert_eq!((started(&heard).len(), lost(&heard).len()), (3, 3));
    assert_eq!(
        code(&pool.header(&FileBytes::new(phantom()))),
        Some(RefusalCode::DecoderDied),
        "the pool goes on"
    );
}

fn a_stopped_process_is_refused_in_time() {
    let heard = Heard::default();
    let timeout = Duration::from_millis(500);
    let pool = Pool::open(PoolOptions { timeout, ..options("honest", &heard) }).unwrap();
    let file = FileBytes::new(phantom());
    signal("STOP", started(&heard)[0]);
    let began = Instant::now();
    assert_eq!(pool.decode(&file).unwrap_err().code, RefusalCode::DecoderHung);
    assert!(began.elapsed() < 20 * timeout, "{:?}", began.elapsed());
    assert_eq!(lost(&heard).len(), 1, "a hang is not tried again");
    // The machine of the test may be too busy for this bound, and the next file is not this one's to lose.
    assert_ne!(code(&pool.header(&FileBytes::new(b"no file"))), Some(RefusalCode::DecoderDied));
    assert_eq!(started(&heard).len(), 2, "it was replaced");

    let spinning = Pool::open(PoolOptions { timeout, ..options("spin", &heard) }).unwrap();
    assert_eq!(code(&spinning.header(&file)), Some(RefusalCode::DecoderHung));
}

fn a_file_beyond_the_memory_is_refused() {
    let (pool, heard) = pool("memory");
    let refusal = pool.decode(&FileBytes::new(phantom())).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::DecoderDied);
    assert!(lost(&heard).iter().all(|reason| reason.contains("signal: 6")), "{:?}", lost(&heard));
}

fn a_process_that_floods_is_cut_off() {
    let (pool, heard) = pool("flood");
    assert_eq!(pool.decode(&FileBytes::new(phantom())).unwrap_err().code, RefusalCode::DecoderDied);
    assert!(lost(&heard).iter().all(|reason| reason.contains("cannot be")), "{:?}", lost(&heard));
}

fn a_process_that_lies_is_cut_off() {
    for how in ["lie", "huge"] {
        let (pool, heard) = pool(how);
        assert_eq!(pool.decode(&FileBytes::new(phantom())).unwrap_err().code, RefusalCode::DecoderDied);
        assert!(lost(&heard).iter().all(|reason| reason.contains("cannot be")), "{:?}", lost(&heard));
    }
}

fn a_bounded_process_can_do_nothing_else() {
    let (pool, heard) = pool("attempts");
    let decoded = pool.decode(&FileBytes::new(phantom()));
    let confinement = match &heard.lock().unwrap()[0] {
        Event::Started { confinement, .. } => *confinement,
        other => panic!("{other:?}"),
    };
    assert!(confinement.limited);
    #[cfg(target_os = "linux")]
    assert_eq!(confinement.without_files, this_kernel_has_landlock(), "what the kernel has is used");
    if confinement.without_calls {
        assert!(decoded.is_ok(), "{:?}", lost(&heard));
    } else {
        println!("this kernel has no seccomp: not every attempt is expected to fail");
    }
}

/// Found out by a thread that gives something up itself.
#[cfg(target_os = "linux")]
fn this_kernel_has_landlock() -> bool {
    use landlock::{ABI, Access as _, AccessFs, LandlockStatus, Ruleset, RulesetAttr as _};
    let restricted = std::thread::spawn(|| {
        Ruleset::default().handle_access(AccessFs::from_all(ABI::V1))?.create()?.restrict_self()
    });
    matches!(restricted.join().unwrap().unwrap().landlock, LandlockStatus::Available { .. })
}

fn the_same_attempts_succeed_without_bounds() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let status = command.args(["decode-process", "attempts-unbounded"]).status().unwrap();
    assert_eq!(status.code(), Some(COULD + 6), "each attempt means something");
}

fn no_process_is_no_verdict_on_the_file() {
    let heard = Heard::default();
    let missing = || Ok(Command::new("/no/such/program"));
    assert!(Pool::open(PoolOptions { command: Box::new(missing), ..options("honest", &heard) }).is_err());
    let calls = Mutex::new(0);
    let once = move || {
        let mut calls = calls.lock().unwrap();
        *calls += 1;
        let mut command =
            Command::new(if *calls == 1 { std::env::current_exe()? } else { "/no/such/program".into() });
        command.args(["decode-process", "abort"]);
        Ok(command)
    };
    let pool = Pool::open(PoolOptions { command: Box::new(once), ..options("abort", &heard) }).unwrap();
    // The first one dies; whether the file killed it cannot be told without another one.
    assert_eq!(pool.decode(&FileBytes::new(phantom())).unwrap_err().code, RefusalCode::DecoderUnavailable);
}

fn a_pool_has_no_more_processes_than_it_may() {
    let (pool, heard) = pool("honest");
    let file = FileBytes::new(phantom());
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| (0..3).for_each(|_| assert!(pool.decode(&file).is_ok())));
        }
    });
    assert!((1..=2).contains(&started(&heard).len()), "{:?}", started(&heard));
    let processes = started(&heard);
    drop(pool);
    for process in processes {
        assert!(!std::path::Path::new(&format!("/proc/{process}")).exists(), "it ends with its pool");
    }
}
