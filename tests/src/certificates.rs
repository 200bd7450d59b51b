//! Certificates for tests, made by the `openssl` program: an authority, a server, a client.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Certificates and keys in a folder, all in PEM form.
#[derive(Debug)]
pub struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// Makes an authority, a server of `localhost` and 127.0.0.1, a client called `chiasm`, and an authority that signed
    /// none of them. `None` with a line that says so where there is no `openssl`.
    ///
    /// # Panics
    /// Where `openssl` fails.
    pub fn make(folder: &Path) -> Option<Self> {
        if Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_err() {
            eprintln!("skipped: the program `openssl` is not installed");
            return None;
        }
        let made = Self { folder: folder.to_owned() };
        for authority in ["ca", "other-ca"] {
            made.openssl(&[
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "2",
                "-subj",
                &format!("/CN={authority} of tests"),
                "-keyout",
                &format!("{authority}.key"),
                "-out",
                &format!("{authority}.pem"),
            ]);
        }
        made.sign(
            "server",
            "localhost",
            "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n",
        );
        made.sign("client", "chiasm", "extendedKeyUsage=clientAuth\n");
        Some(made)
    }

    /// A file: `ca.pem`, `other-ca.pem`, `server.pem`, `server.key`, `client.pem`, `client.key`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn sign(&self, name: &str, subject: &str, extensions: &str) {
        fs::write(self.file(&format!("{name}.ext")), extensions).expect("a written file");
        self.openssl(&[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-subj",
            &format!("/CN={subject}"),
            "-keyout",
            &format!("{name}.key"),
            "-out",
            &format!("{name}.csr"),
        ]);
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            &format!("{name}.csr"),
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            &format!("{name}.ext"),
            "-out",
            &format!("{name}.pem"),
        ]);
    }

    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl")
            .args(arguments)
            .current_dir(&self.folder)
            .output()
            .expect("openssl starts");
        assert!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    }
}
