//! What the system says of this process. What it does not say is left out.

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};
use std::fs;
use std::time::Duration;

/// How much of the machine this process has.
#[derive(Debug, Default)]
pub struct Process {
    /// Processor time that it has used.
    pub cpu: Duration,
    /// Bytes of memory that are its own in the machine, and in its address space.
    pub resident: Option<u64>,
    pub virtual_memory: Option<u64>,
    /// Descriptors that are open, and that may be.
    pub descriptors: Option<u64>,
    pub max_descriptors: Option<u64>,
}

impl Process {
    /// As it is now.
    pub fn now() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let bytes = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field))?;
            let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
            Some(1024 * kilobytes)
        };
        // Since Linux 6.2 this is how many there are. To count them takes longer the more there are.
        let descriptors = fs::metadata("/proc/self/fd").ok().map(|folder| folder.len());
        Self {
            cpu: Duration::try_from(cpu).unwrap_or_default(),
            resident: bytes("VmRSS:"),
            virtual_memory: bytes("VmSize:"),
            descriptors: descriptors.filter(|descriptors| *descriptors > 0),
            max_descriptors: getrlimit(Resource::Nofile).current,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_has_used_some_of_the_machine() {
        let process = Process::now();
        assert!(!process.cpu.is_zero());
        assert!(process.resident > Some(100_000) && process.virtual_memory >= process.resident);
        assert!(process.descriptors.is_none_or(|n| n >= 3 && Some(n) <= process.max_descriptors));
    }
}
