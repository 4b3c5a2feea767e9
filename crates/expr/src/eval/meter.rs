//! What an evaluation may still spend.
//!
//! Owns the two bounds, steps and produced bytes, and the rate between them. Everything that takes
//! time or memory in proportion to data asks here first.

/// Bytes of produced text per unit of fuel.
const BYTES_BUILT: usize = 64;
/// Bytes of payload read over per unit of fuel.
const BYTES_READ: usize = 512;

/// Which bound was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exhausted {
    Fuel,
    Output,
}

#[derive(Debug)]
pub(crate) struct Meter {
    fuel: u64,
    bytes: usize,
}

impl Meter {
    pub fn new(limits: crate::Limits) -> Self {
        Self { fuel: limits.fuel, bytes: limits.output_bytes }
    }

    /// Takes `steps`: one per node evaluated, and per item visited or produced.
    #[inline]
    pub fn spend(&mut self, steps: usize) -> Result<(), Exhausted> {
        match self.fuel.checked_sub(steps as u64) {
            Some(left) => {
                self.fuel = left;
                Ok(())
            }
            None => Err(Exhausted::Fuel),
        }
    }

    /// Takes the steps for reading over `bytes` of a payload.
    pub fn read(&mut self, bytes: usize) -> Result<(), Exhausted> {
        self.spend(bytes / BYTES_READ)
    }

    /// Takes the room for a new text of `bytes`, and the steps for building it.
    pub fn build(&mut self, bytes: usize) -> Result<(), Exhausted> {
        match self.bytes.checked_sub(bytes) {
            Some(left) => self.bytes = left,
            None => return Err(Exhausted::Output),
        }
        self.spend(bytes / BYTES_BUILT)
    }

    /// How many more bytes may be produced.
    pub fn room(&self) -> usize {
        self.bytes
    }
}
