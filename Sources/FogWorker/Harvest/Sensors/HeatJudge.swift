import FogCore

/// Tells temperatures that can be trusted from those that cannot.
///
/// A value outside of what air and silicon have is absurd. A value that has not moved for ten minutes is stuck when
/// another sensor, or the machine's load, moved a lot meanwhile: then the real one would have moved as well. It is
/// trusted again when it moves.
struct HeatJudge: Sendable {
    struct Sample: Sendable {
        var source: HeatSource
        /// Nil when it could not be read.
        var celsius: Double?
    }

    static let plausible = -20.0...130.0
    static let stuckAfter = TimeSpan.minutes(10)
    /// What another sensor moves in that time, in degrees.
    static let movement = 5.0
    /// What the load moves in that time, as a share of all processors.
    static let loadMovement = 0.5

    private struct Track: Sendable {
        var celsius: Double
        /// Since when it has this value.
        var since: TimeSpan
        /// How far this sensor moved lately, to judge others by: the range since `windowStart`.
        var lowest: Double
        var highest: Double
        /// The load's range while the value stood.
        var lowestLoad: Double?
        var highestLoad: Double?
        var isStuck = false
    }

    /// The load is smoothed over so long: a moment of it warms nothing.
    static let loadMemory = TimeSpan.minutes(1)

    private var tracks: [String: Track] = [:]
    private var load: (value: Double, at: TimeSpan)?
    private var windowStart: TimeSpan?

    /// - Parameter busy: the share of all processors that was busy, 0 to 1; nil = not known.
    mutating func judge(_ samples: [Sample], busy: Double?, at now: TimeSpan) -> (
        heat: [HeatReading], ignored: [String]
    ) {
        var heat: [HeatReading] = []
        var ignored: [String] = []
        var present: Set<String> = []
        let busy = smoothed(busy, now)
        for sample in samples {
            let source = sample.source
            guard let celsius = sample.celsius else {
                ignored.append("\(source.sensor): cannot be read")
                continue
            }
            guard Self.plausible.contains(celsius) else {
                ignored.append("\(source.sensor): \(Self.text(celsius)) C is not a temperature")
                continue
            }
            present.insert(source.sensor)
            follow(source.sensor, celsius, busy, now)
        }
        tracks = tracks.filter { present.contains($0.key) }
        for sample in samples where present.contains(sample.source.sensor) {
            let (name, celsius) = (sample.source.sensor, sample.celsius ?? 0)
            if isStuck(name, now) {
                ignored.append(
                    "\(name): \(Self.text(celsius)) C for \(span(name, now).brief) while the machine changed")
            } else {
                heat.append(HeatReading(sensor: name, celsius: celsius, limit: sample.source.limit))
            }
        }
        forgetOldMovements(now)
        return (heat, ignored)
    }

    private mutating func smoothed(_ busy: Double?, _ now: TimeSpan) -> Double? {
        guard let busy else { return load?.value }
        guard let load else {
            self.load = (busy, now)
            return busy
        }
        let share = min(1, max(0, (now - load.at).seconds / Self.loadMemory.seconds))
        let value = load.value + (busy - load.value) * share
        self.load = (value, now)
        return value
    }

    private mutating func follow(_ name: String, _ celsius: Double, _ busy: Double?, _ now: TimeSpan) {
        guard var track = tracks[name] else {
            tracks[name] = Track(
                celsius: celsius, since: now, lowest: celsius, highest: celsius, lowestLoad: busy, highestLoad: busy)
            return
        }
        track.lowest = min(track.lowest, celsius)
        track.highest = max(track.highest, celsius)
        if celsius == track.celsius {
            track.lowestLoad = [track.lowestLoad, busy].compactMap { $0 }.min()
            track.highestLoad = [track.highestLoad, busy].compactMap { $0 }.max()
        } else {
            track.celsius = celsius
            track.since = now
            (track.lowestLoad, track.highestLoad, track.isStuck) = (busy, busy, false)
        }
        tracks[name] = track
    }

    private func span(_ name: String, _ now: TimeSpan) -> TimeSpan { now - (tracks[name]?.since ?? now) }

    private mutating func isStuck(_ name: String, _ now: TimeSpan) -> Bool {
        guard let track = tracks[name], now - track.since >= Self.stuckAfter else { return false }
        if track.isStuck { return true }
        let others = tracks.contains { $0.key != name && $0.value.highest - $0.value.lowest >= Self.movement }
        let load = (track.highestLoad ?? 0) - (track.lowestLoad ?? 0) >= Self.loadMovement
        if others || load { tracks[name]?.isStuck = true }
        return others || load
    }

    /// Ranges begin anew after ``stuckAfter``, so that a movement of the past judges nobody.
    private mutating func forgetOldMovements(_ now: TimeSpan) {
        guard let start = windowStart, now - start < Self.stuckAfter else {
            windowStart = now
            for (name, track) in tracks {
                tracks[name]?.lowest = track.celsius
                tracks[name]?.highest = track.celsius
            }
            return
        }
    }

    private static func text(_ celsius: Double) -> String {
        celsius == celsius.rounded() ? String(Int64(celsius)) : String((celsius * 10).rounded() / 10)
    }
}
