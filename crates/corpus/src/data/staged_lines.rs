//! Files of lines that are written once and read back.

use crate::error::{Error, Result};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;

/// Writes lines to a file.
pub struct LineWriter {
    path: PathBuf,
    out: BufWriter<File>,
}

impl LineWriter {
    pub fn create(path: PathBuf) -> Result<Self> {
        let file = File::create(&path).map_err(Error::io("create", &path))?;
        Ok(LineWriter { path, out: BufWriter::with_capacity(1 << 16, file) })
    }

    pub fn line(&mut self, line: &str) -> Result<()> {
        let written = self.out.write_all(line.as_bytes()).and_then(|()| self.out.write_all(b"\n"));
        written.map_err(Error::io("write", &self.path))
    }

    /// Writes everything to the disk.
    pub fn finish(mut self) -> Result<()> {
        self.out.flush().and_then(|()| self.out.get_ref().sync_all()).map_err(Error::io("write", &self.path))
    }
}

/// Reads back the lines of a [`LineWriter`], including carriage returns.
pub struct StagedLines {
    path: PathBuf,
    input: BufReader<File>,
    line: String,
}

impl StagedLines {
    pub fn open(path: PathBuf) -> Result<Self> {
        let file = File::open(&path).map_err(Error::io("read", &path))?;
        Ok(StagedLines { path, input: BufReader::with_capacity(1 << 16, file), line: String::new() })
    }

    /// Returns the next line without its end, if there is one.
    pub fn next(&mut self) -> Result<Option<&str>> {
        self.line.clear();
        self.input.read_line(&mut self.line).map_err(Error::io("read", &self.path))?;
        Ok(self.line.strip_suffix('\n'))
    }
}
