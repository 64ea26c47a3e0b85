//! What OpenNebula tells a network driver, as claims.
