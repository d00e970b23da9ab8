"""The fault driver behind ``scripts/soak`` and tests/integration/faults: breaks everything, and counts what is left.

A private mosquitto, real ``collector serve`` programs on a store of either kind, and trailers as programs of their own
(the real outbox and uplink, fed by a generator instead of cameras) run while faults come from a seeded schedule. Every
detection is written to a log of captures outside the outbox before and after it is put. At the end the faults cease,
what is pending is waited for, and the log is compared with what the store holds.

Layout of the package, from the pure to the whole:

    settings      what a soak is told
    schedule      which fault, when, from a seed
    verdict       what was captured against what is stored
    captures      the log of captures
    bodies        what a trailer detects
    trailer       the program that stands for a trailer
    serving       ``collector serve`` with one seam: it can be told to die between its commit and its acks
    link          a TCP proxy that cuts, stalls, swallows and resets
    disk          a disk small enough to fill
    broker        mosquitto, losing its memory at will
    databases     the two stores: locked, stopped, asked at the end
    holdings      what the store holds, by plain SQL
    programs      what runs beside the driver: started, killed, started again
    intruder      what a broker that is not trusted can do: replay, repeat and forge
    rogue         an enrolled device that signs nonsense
    trailers      a trailer as the driver sees it: its program, its link, its disk
    yesterday     what a device captured a day ago
    site          all of it running
    settling      the end: faults are taken back, and what is pending is waited for
    faults        the kinds of fault, each done to a site, by what they are done to
    driver        the run from start to verdict
"""
