//! Schedules: the cron loop, missed runs, and the Kubernetes manifests' contract.
