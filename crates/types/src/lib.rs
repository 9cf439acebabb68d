//! Ids, states, events and bodies that Longhaul's programs exchange
