//! Listeners, authentication and sessions; judges commands with the current bundle.
