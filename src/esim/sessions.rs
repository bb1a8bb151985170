//! The sessions that a server has open, by transaction identifier, and by when they run out: what has run out is found
//! without a look at the others.

use std::collections::{BTreeMap, BTreeSet};

/// Sessions with what is remembered of each.
#[derive(Debug)]
pub(super) struct Sessions<S> {
    open: BTreeMap<Vec<u8>, (u64, S)>,
    /// When each runs out, Unix seconds.
    ends: BTreeSet<(u64, Vec<u8>)>,
}

impl<S> Sessions<S> {
    pub(super) fn new() -> Self {
        Self { open: BTreeMap::new(), ends: BTreeSet::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn get(&self, transaction_id: &[u8]) -> Option<&S> {
        self.open.get(transaction_id).map(|(_, session)| session)
    }

    #[cfg(test)]
    pub(super) fn values(&self) -> impl Iterator<Item = &S> {
        self.open.values().map(|(_, session)| session)
    }

    /// Opens a session, or goes on with one in the place of what was remembered of it.
    pub(super) fn insert(&mut self, transaction_id: Vec<u8>, expires_unix_s: u64, session: S) {
        self.remove(&transaction_id);
        self.ends.insert((expires_unix_s, transaction_id.clone()));
        self.open.insert(transaction_id, (expires_unix_s, session));
    }

    pub(super) fn remove(&mut self, transaction_id: &[u8]) -> Option<S> {
        let (expires_unix_s, session) = self.open.remove(transaction_id)?;
        self.ends.remove(&(expires_unix_s, transaction_id.to_vec()));
        Some(session)
    }

    /// The session that runs out first, where it has.
    pub(super) fn over(&self, now_unix_s: u64) -> Option<&[u8]> {
        let (expires_unix_s, transaction_id) = self.ends.first()?;
        (*expires_unix_s <= now_unix_s).then_some(transaction_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_run_out_in_the_order_of_their_ends() {
        let mut sessions = Sessions::new();
        for (id, end) in [(1, 30), (2, 10), (3, 20)] {
            sessions.insert(vec![id], end, ());
        }
        // One that goes on ends later, and only once.
        sessions.insert(vec![2], 40, ());
        let mut over = Vec::new();
        while let Some(id) = sessions.over(30).map(<[u8]>::to_vec) {
            sessions.remove(&id);
            over.push(id[0]);
        }
        assert_eq!(over, [3, 1]);
        assert_eq!((sessions.len(), sessions.ends.len()), (1, 1));
        assert!(sessions.get(&[2]).is_some() && sessions.remove(&[3]).is_none());
    }
}
