//! The process that reads files in these tests: the inside of the product, with something around it that misbehaves.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::fd::AsFd as _;
use std::process::{Command, ExitCode};

use dicom_ingest::decoders::{serve, serve_standard_input};

use super::MIB;

/// Said by a process that could do what it must not.
pub(super) const COULD: i32 = 99;

/// The patient of a file over whose answer a process misbehaves.
pub(super) const MARK: &str = "MARKED";

/// The process: the product's inside, with something around it.
pub(super) fn child(how: &str) -> ExitCode {
    let served = match how {
        "honest" => serve_standard_input(),
        "attempts-unbounded" => {
            attempt_everything();
            Ok(())
        }
        how => {
            let link = File::from(io::stdin().as_fd().try_clone_to_owned().unwrap());
            serve(&mut Around { link: &link, how, frames: 0 }, &mut Around { link: &link, how, frames: 0 })
        }
    };
    if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The connection of a process, misbehaving from the first file on.
struct Around<'a> {
    link: &'a File,
    how: &'a str,
    frames: usize,
}

impl Read for Around<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.link.read(bytes)?;
        // The first frame, then the first file.
        self.frames += 1;
        if self.frames > 1 {
            match self.how {
                "abort" => std::process::abort(),
                "memory" => {
                    let much = vec![1_u8; usize::try_from(2048 * MIB).unwrap()];
                    std::process::exit(if much.iter().all(|one| *one == 1) { COULD } else { 1 });
                }
                "attempts" => attempt_everything(),
                "spin" => loop {
                    std::hint::spin_loop();
                },
                _ => {}
            }
        }
        Ok(read)
    }
}

impl Write for Around<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.frames += 1;
        // The head that says that it is ready, and its empty body, are let through.
        let is_marked = bytes.windows(MARK.len()).any(|part| part == MARK.as_bytes());
        if self.frames > 1 {
            match self.how {
                "abort-at-mark" if is_marked => std::process::abort(),
                "hang-at-mark" if is_marked => loop {
                    std::thread::sleep(std::time::Duration::from_secs(1));
                },
                "lie-at-mark" if is_marked => {
                    self.link.write_all(&[0xFF; 12])?;
                    return Ok(bytes.len());
                }
                "flood" => loop {
                    self.link.write_all(&[0; 4096])?;
                },
                "lie" => {
                    let mut lie = bytes.to_vec();
                    lie.iter_mut().skip(12).for_each(|byte| *byte ^= 0x55);
                    self.link.write_all(&lie)?;
                    return Ok(bytes.len());
                }
                "huge" => {
                    self.link.write_all(&[0xFF; 12])?;
                    return Ok(bytes.len());
                }
                _ => {}
            }
        }
        self.link.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Ends with a status of its own where anything works that must not.
fn attempt_everything() {
    type Attempt = (&'static str, fn() -> bool);
    let attempts: [Attempt; 6] = [
        ("open a file", || File::open("/etc/passwd").is_ok()),
        ("write a file", || File::create("/tmp/chiasm-decoders-must-not").is_ok()),
        ("list a folder", || std::fs::read_dir("/").is_ok_and(|mut entries| entries.next().is_some())),
        ("open a socket", || UdpSocket::bind("127.0.0.1:0").is_ok()),
        ("connect", || {
            TcpStream::connect("127.0.0.1:1").is_err_and(|error| {
                // Refused by nobody: the connection was tried.
                error.kind() == io::ErrorKind::ConnectionRefused
            })
        }),
        ("start a program", || Command::new("/bin/true").status().is_ok()),
    ];
    let could = attempts.iter().filter(|(_, attempt)| attempt()).count();
    drop(std::fs::remove_file("/tmp/chiasm-decoders-must-not"));
    if could > 0 {
        std::process::exit(COULD + i32::try_from(could).unwrap());
    }
}
