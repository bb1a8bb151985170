//! The flash of a virtual device: two slots for images, and two copies of a journal. Pages are written one after the other,
//! and the power may go in the middle of any of them: half of a page is written then, and nothing after it.

/// How many bytes are written at a time.
pub const PAGE: usize = 256;
/// How many bytes are erased at a time.
const SECTOR: usize = 4096;

/// The power went in the middle of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the power went while the flash was written: what stands in it is found when it is back")]
pub struct PowerLost;

/// A part of the flash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Area {
    /// A slot for an image, 0 or 1.
    Slot(usize),
    /// A copy of the journal, 0 or 1.
    Journal(usize),
}

/// Two slots and two copies of a journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flash {
    slots: [Vec<u8>; 2],
    journals: [Vec<u8>; 2],
    /// How many more pages and sectors are written before the power goes; for ever where there is none.
    left: Option<u64>,
    is_dead: bool,
    /// How many were written so far.
    written: u64,
}

impl Flash {
    /// The power goes in the middle of the write after `left` more.
    pub fn cut_after(&mut self, left: u64) {
        self.left = Some(left);
    }

    /// The power is back, and stays.
    pub fn power_back(&mut self) {
        (self.left, self.is_dead) = (None, false);
    }

    /// How many pages and sectors were written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// What an area holds.
    pub fn read(&self, area: Area) -> &[u8] {
        match area {
            Area::Slot(slot) => &self.slots[slot & 1],
            Area::Journal(copy) => &self.journals[copy & 1],
        }
    }

    /// Erases an area.
    ///
    /// # Errors
    /// Where the power goes; the second half is still as it was then.
    pub fn erase(&mut self, area: Area) -> Result<(), PowerLost> {
        let sectors = self.read(area).len().div_ceil(SECTOR);
        for sector in 0..sectors {
            let goes = self.power_goes()?;
            let bytes = self.bytes(area);
            let end = bytes.len().min(SECTOR * (sector + 1));
            let half = end - (end - SECTOR * sector) / 2;
            bytes[SECTOR * sector..if goes { half } else { end }].fill(0xff);
            if goes {
                return Err(PowerLost);
            }
        }
        self.bytes(area).clear();
        Ok(())
    }

    /// Writes `data` into an area from `offset` on, over what is there.
    ///
    /// # Errors
    /// Where the power goes; half of one page and nothing behind it is written then.
    pub fn write(&mut self, area: Area, offset: usize, data: &[u8]) -> Result<(), PowerLost> {
        for (page, data) in data.chunks(PAGE).enumerate() {
            let goes = self.power_goes()?;
            let at = offset + page * PAGE;
            let data = if goes { &data[..data.len() / 2] } else { data };
            let bytes = self.bytes(area);
            if bytes.len() < at + data.len() {
                bytes.resize(at + data.len(), 0xff);
            }
            bytes[at..at + data.len()].copy_from_slice(data);
            if goes {
                return Err(PowerLost);
            }
        }
        Ok(())
    }

    fn bytes(&mut self, area: Area) -> &mut Vec<u8> {
        match area {
            Area::Slot(slot) => &mut self.slots[slot & 1],
            Area::Journal(copy) => &mut self.journals[copy & 1],
        }
    }

    /// Counts one write; whether the power goes in the middle of it. Once it is gone nothing is written any more.
    fn power_goes(&mut self) -> Result<bool, PowerLost> {
        if self.is_dead {
            return Err(PowerLost);
        }
        self.written += 1;
        self.is_dead = self.left == Some(0);
        self.left = self.left.map(|left| left.saturating_sub(1));
        Ok(self.is_dead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_power_goes_in_the_middle_of_a_page() {
        let mut flash = Flash::default();
        flash.write(Area::Slot(1), 0, &[1; 2 * PAGE]).unwrap();
        flash.cut_after(1);
        assert_eq!(flash.write(Area::Slot(1), 0, &[2; 2 * PAGE]), Err(PowerLost));
        let slot = flash.read(Area::Slot(1));
        assert_eq!((slot[PAGE - 1], slot[PAGE + PAGE / 2 - 1], slot[PAGE + PAGE / 2]), (2, 2, 1));
        assert_eq!(flash.write(Area::Slot(1), 0, &[3]), Err(PowerLost), "nothing more without power");
        assert_eq!(flash.read(Area::Slot(1))[0], 2);
        flash.power_back();
        flash.erase(Area::Slot(1)).unwrap();
        assert!(flash.read(Area::Slot(1)).is_empty() && flash.read(Area::Slot(0)).is_empty());
        assert_eq!(flash.written(), 5, "four pages and one sector");
    }
}
