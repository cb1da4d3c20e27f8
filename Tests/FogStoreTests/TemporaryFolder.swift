import FogStore
import Foundation

/// A folder that is gone when the test is.
func withTemporaryFolder<Value>(_ body: (String) async throws -> Value) async throws -> Value {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("fog-store-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    do {
        let value = try await body(folder.path)
        try FileManager.default.removeItem(at: folder)
        return value
    } catch {
        try? FileManager.default.removeItem(at: folder)
        throw error
    }
}

/// A new store in a file, closed when the test is over.
func withSQLiteStore<Value>(_ body: (SQLiteStore, String) async throws -> Value) async throws -> Value {
    try await withTemporaryFolder { folder in
        let path = folder + "/fog.sqlite"
        let store = try SQLiteStore(path: path)
        let value = try await body(store, path)
        try store.close()
        return value
    }
}

/// The failure's code, or nil when there was none.
func failureCode(_ body: () async throws -> Void) async -> String? {
    do {
        try await body()
        return nil
    } catch {
        return (error as? StoreFailure)?.code ?? "not a StoreFailure: \(error)"
    }
}
