//! Whole calls, on real files, processes and sockets; the gate decides by real capabilities.
