//! How many connections of the fleet are open at once: few of those who have not shown who they are, and not too many of
//! any one gateway. So nobody can take the places of the others.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::member::Member;

/// Connections of those who show no certificate: they join, which is one call.
pub(super) const STRANGERS_MAX: usize = 64;

/// Connections of one gateway: a link of each of its starts, a newer one that takes its place, a renewal.
pub(super) const OF_ONE_MAX: usize = 32;

/// The connections that are open.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<HashMap<Option<String>, usize>>);

/// One of them; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    whose: Option<String>,
}

impl Places {
    /// A place for a connection of this gateway, or of somebody who shows no certificate; `None`: all are taken.
    pub(super) fn take(self: &Arc<Self>, member: Option<&Member>) -> Option<Place> {
        let whose = member.map(|member| member.id.clone());
        let most = if whose.is_some() { OF_ONE_MAX } else { STRANGERS_MAX };
        let mut taken = self.0.lock();
        let count = taken.entry(whose.clone()).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Place { places: Arc::clone(self), whose })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock();
        if let Some(count) = taken.get_mut(&self.whose) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.whose);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_do_not_take_the_places_of_gateways_nor_one_gateway_those_of_another() {
        let places = Arc::new(Places::default());
        let [one, other] = [(); 2].map(|()| Member::new("gateway".parse().unwrap()).unwrap());
        let mut strangers: Vec<Place> = (0..STRANGERS_MAX).map(|_| places.take(None).unwrap()).collect();
        assert!(places.take(None).is_none());
        let ones: Vec<Place> = (0..OF_ONE_MAX).map(|_| places.take(Some(&one)).unwrap()).collect();
        assert!(places.take(Some(&one)).is_none());
        assert!(places.take(Some(&other)).is_some());
        strangers.pop();
        strangers.push(places.take(None).unwrap());
        drop((strangers, ones));
        assert!(places.0.lock().is_empty(), "nothing is kept of who has gone");
    }
}
