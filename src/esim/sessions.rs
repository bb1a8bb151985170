//! The sessions that a server has open, by transaction identifier, by when they run out, and by whose they are: what has
//! run out, and what is the oldest, is found without a look at the others.

use std::collections::{BTreeMap, BTreeSet};

/// When a session runs out, Unix seconds, and which of those that end then: the smallest is the oldest.
type Age = (u64, u64);

/// Sessions with what is remembered of each.
#[derive(Debug)]
pub(super) struct Sessions<S> {
    open: BTreeMap<Vec<u8>, Open<S>>,
    ends: BTreeMap<Age, Vec<u8>>,
    owners: BTreeMap<String, BTreeSet<Age>>,
    numbers: u64,
    /// How many there may be, and how many of one owner.
    max: usize,
    max_each: usize,
}

#[derive(Debug)]
struct Open<S> {
    age: Age,
    /// A peer, or an eUICC; none where there is no telling.
    owner: Option<String>,
    session: S,
}

impl<S> Sessions<S> {
    /// At most `max` sessions, and at most `max_each` of one owner.
    pub(super) fn new(max: usize, max_each: usize) -> Self {
        Self {
            open: BTreeMap::new(),
            ends: BTreeMap::new(),
            owners: BTreeMap::new(),
            numbers: 0,
            max,
            max_each,
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn get(&self, transaction_id: &[u8]) -> Option<&S> {
        self.open.get(transaction_id).map(|open| &open.session)
    }

    pub(super) fn get_mut(&mut self, transaction_id: &[u8]) -> Option<&mut S> {
        self.open.get_mut(transaction_id).map(|open| &mut open.session)
    }

    #[cfg(test)]
    pub(super) fn values(&self) -> impl Iterator<Item = &S> {
        self.open.values().map(|open| &open.session)
    }

    /// Opens a session of `owner`, or goes on with one in the place of what was remembered of it. Returns what had to go
    /// for it: the oldest of that owner, or of all.
    pub(super) fn insert(
        &mut self,
        transaction_id: Vec<u8>,
        expires_unix_s: u64,
        owner: Option<&str>,
        session: S,
    ) -> Vec<Vec<u8>> {
        self.remove(&transaction_id);
        let mut gone = Vec::new();
        let of_owner = owner.and_then(|owner| self.owners.get(owner));
        if of_owner.is_some_and(|ages| ages.len() >= self.max_each) {
            gone.extend(of_owner.and_then(|ages| self.ends.get(ages.first()?)).cloned());
        } else if self.open.len() >= self.max {
            gone.extend(self.ends.first_key_value().map(|(_, id)| id.clone()));
        }
        for id in &gone {
            self.remove(id);
        }
        self.numbers += 1;
        let age = (expires_unix_s, self.numbers);
        self.ends.insert(age, transaction_id.clone());
        let owner = owner.map(str::to_owned);
        if let Some(owner) = &owner {
            self.owners.entry(owner.clone()).or_default().insert(age);
        }
        self.open.insert(transaction_id, Open { age, owner, session });
        gone
    }

    pub(super) fn remove(&mut self, transaction_id: &[u8]) -> Option<S> {
        let Open { age, owner, session } = self.open.remove(transaction_id)?;
        self.ends.remove(&age);
        if let Some(owner) = owner
            && let Some(ages) = self.owners.get_mut(&owner)
        {
            ages.remove(&age);
            if ages.is_empty() {
                self.owners.remove(&owner);
            }
        }
        Some(session)
    }

    /// The session that runs out first, where it has.
    pub(super) fn over(&self, now_unix_s: u64) -> Option<&[u8]> {
        let ((expires_unix_s, _), transaction_id) = self.ends.first_key_value()?;
        (*expires_unix_s <= now_unix_s).then_some(transaction_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_run_out_in_the_order_of_their_ends() {
        let mut sessions = Sessions::new(9, 9);
        for (id, end) in [(1, 30), (2, 10), (3, 20)] {
            sessions.insert(vec![id], end, None, ());
        }
        // One that goes on ends later, and only once.
        sessions.insert(vec![2], 40, None, ());
        let mut over = Vec::new();
        while let Some(id) = sessions.over(30).map(<[u8]>::to_vec) {
            sessions.remove(&id);
            over.push(id[0]);
        }
        assert_eq!(over, [3, 1]);
        assert_eq!((sessions.len(), sessions.ends.len()), (1, 1));
        assert!(sessions.get(&[2]).is_some() && sessions.remove(&[3]).is_none());
    }

    #[test]
    fn the_oldest_goes_whatever_it_is_called() {
        let mut sessions = Sessions::new(3, 2);
        assert!(sessions.insert(vec![9], 10, Some("a"), ()).is_empty());
        assert!(sessions.insert(vec![5], 10, Some("a"), ()).is_empty());
        // Of its own owner where that one has too many, and else of all.
        assert_eq!(sessions.insert(vec![1], 10, Some("a"), ()), [vec![9]]);
        assert!(sessions.insert(vec![7], 10, Some("b"), ()).is_empty());
        assert_eq!(sessions.insert(vec![0], 10, Some("c"), ()), [vec![5]]);
        assert_eq!(sessions.insert(vec![3], 10, None, ()), [vec![1]]);
        assert_eq!((sessions.len(), sessions.owners.len()), (3, 2));
    }
}
