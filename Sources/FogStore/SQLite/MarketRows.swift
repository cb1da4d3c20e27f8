package import FogCore
package import FogPlacement

extension Schema {
    /// A row for each segment and epoch in which anything moved; what reserved jobs pay, and what a machine's owner gets
    /// where it is less than is paid.
    static let market = """
        CREATE TABLE market_epochs (
            at INTEGER NOT NULL, region TEXT NOT NULL, capability TEXT NOT NULL,
            open INTEGER NOT NULL CHECK (open >= 0), high INTEGER NOT NULL CHECK (high >= open AND high >= close),
            low INTEGER NOT NULL CHECK (low >= 0 AND low <= open AND low <= close),
            close INTEGER NOT NULL CHECK (close >= 0), volume INTEGER NOT NULL CHECK (volume >= 0),
            utilisation REAL NOT NULL CHECK (utilisation BETWEEN 0 AND 1), PRIMARY KEY (at, region, capability)
        ) STRICT, WITHOUT ROWID;
        ALTER TABLE jobs ADD COLUMN reserved_core INTEGER CHECK (reserved_core >= 0);
        ALTER TABLE jobs ADD COLUMN reserved_gib INTEGER CHECK (reserved_gib >= 0);
        ALTER TABLE attempts ADD COLUMN seller_rate INTEGER CHECK (seller_rate BETWEEN 0 AND core_rate);
        CREATE TRIGGER attempts_seller_guard BEFORE UPDATE OF seller_rate ON attempts
        BEGIN SELECT RAISE(ABORT, 'the price of an attempt is fixed at its grant'); END;
        CREATE TRIGGER jobs_reserved_guard BEFORE UPDATE OF reserved_core, reserved_gib ON jobs
        BEGIN SELECT RAISE(ABORT, 'the price of a reserved job is fixed when it is taken in'); END;
        """
}

extension ChangeWriter {
    private static let upsertEpoch = """
        INSERT INTO market_epochs VALUES (\(marks(9))) ON CONFLICT DO UPDATE SET open = excluded.open, \
        high = excluded.high, low = excluded.low, close = excluded.close, volume = excluded.volume, \
        utilisation = excluded.utilisation
        """

    func write(_ epoch: MarketEpoch) throws {
        var upsert = try Prepared(database, Self.upsertEpoch)
        upsert.bind(epoch.at)
        upsert.bind(epoch.segment.region)
        upsert.bind(epoch.segment.capability.rawValue)
        upsert.bind(epoch.open)
        upsert.bind(epoch.high)
        upsert.bind(epoch.low)
        upsert.bind(epoch.close)
        upsert.bind(epoch.volume)
        upsert.bind(epoch.utilisation)
        try upsert.run()
    }

    func forgetEpochs(before time: Timestamp) throws {
        var delete = try Prepared(database, "DELETE FROM market_epochs WHERE at < ?")
        delete.bind(time)
        try delete.run()
    }
}

extension SQLiteStore {
    package func marketEpochs(
        of segment: MarketSegment?, since: Timestamp, limit: Int
    ) async throws(StoreFailure) -> [MarketEpoch] {
        let filter = segment == nil ? "" : " AND region = ? AND capability = ?"
        let sql = """
            SELECT at, region, capability, open, high, low, close, volume, utilisation FROM market_epochs \
            WHERE at >= ?\(filter) ORDER BY at DESC, region DESC, capability DESC LIMIT ?
            """
        return try await read { database in
            var query = try Prepared(database, sql)
            query.bind(since)
            if let segment {
                query.bind(segment.region)
                query.bind(segment.capability.rawValue)
            }
            query.bind(Int64(max(0, limit)))
            return try query.all { row in
                let at = row.time()
                let segment = MarketSegment(region: row.text(), capability: try row.word())
                return MarketEpoch(
                    segment: segment, at: at, open: row.credits(), high: row.credits(), low: row.credits(),
                    close: row.credits(), volume: row.int64(), utilisation: row.double())
            }.reversed()
        }
    }
}
