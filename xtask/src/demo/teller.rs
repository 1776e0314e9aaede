//! Tells the story as it happens: numbered steps, what was typed, what was answered, what that shows.

use anyhow::{Result, bail};

/// Who tells the story.
#[derive(Debug, Default)]
pub(super) struct Teller {
    step: u32,
}

impl Teller {
    /// Begins a step.
    pub(super) fn step(&mut self, what: &str) {
        self.step += 1;
        println!("\n{}. {what}", self.step);
    }

    /// What somebody typed.
    pub(super) fn typed(&self, who: &str, what: &str) {
        println!("   {who:8}> {what}");
    }

    /// What they saw.
    pub(super) fn seen(&self, text: &str) {
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            println!("            {line}");
        }
    }

    /// What it shows; an error when it does not.
    pub(super) fn shows(&self, claim: &str, holds: bool) -> Result<()> {
        if !holds {
            bail!("step {} is not as told: {claim}", self.step);
        }
        println!("        ✓ {claim}");
        Ok(())
    }

    /// How many steps were told.
    pub(super) fn steps(&self) -> u32 {
        self.step
    }
}
