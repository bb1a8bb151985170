//! The world of a run for somebody else to drive.

use super::Run;
use crate::crypto::Tally;
use crate::event::Actor;
use crate::lab::LabError;
use crate::ledger::Place;
use crate::world::World;
use crate::world::setup::StationSetup;
use crate::world::topology::lte_links;

impl Run {
    /// The world of the run without views, and with one base station more.
    ///
    /// # Errors
    /// Where the bench cannot be set up.
    pub fn world_with(&self, ledger: Place, station: StationSetup) -> Result<World, LabError> {
        let mut setup = self.setup(None, Tally::new());
        let own = Actor::enb(station.number);
        let links = lte_links([own].into_iter());
        setup
            .links
            .extend(links.into_iter().filter(|link| [link.ends.0.who, link.ends.1.who].contains(&own)));
        setup.stations.push(station);
        Ok(World::set_up(setup, ledger)?)
    }
}
