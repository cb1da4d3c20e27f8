import FogAPI
import FogCore
import FogJobs
import FogSandbox
import Glibc

/// What a task was given to read.
struct StagedInputs: Sendable {
    var inputs: [SandboxInput] = []
    /// To be released when the task is over.
    var keys: [ContentCache.Key] = []
    var downloaded: Int64 = 0
    var hasTree = false
    /// The root of the task's image; nil = the machine's own programs.
    var image: String?
}

/// Brings a lease's inputs onto the machine: from the cache, or from the coordinator in pieces that can be resumed.
actor Staging {
    static let pieceBytes = 4 << 20
    /// Downloads of one task at once.
    static let parallelDownloads = 4
    /// Beyond this number inputs are linked into a tree that is bound as a whole.
    static let bindLimit = 512
    /// Binds that the sandbox takes for one task, less than its own limit.
    static let treeBindLimit = 1000

    var cache: ContentCache
    private let volumes: SharedVolumes
    let client: FogClient
    private let bandwidth: Bandwidth
    private let retry: Backoff
    /// One fetch per content, however many tasks wait for it.
    var fetches: [ContentCache.Key: Task<Result<Int64, WorkerFailure>, Never>] = [:]

    private static let tries = 6

    init(
        cache: ContentCache, volumes: SharedVolumes = SharedVolumes(), client: FogClient, bandwidth: Bandwidth,
        retry: Backoff
    ) {
        self.cache = cache
        self.volumes = volumes
        self.client = client
        self.bandwidth = bandwidth
        self.retry = retry
    }

    /// Bytes in the cache now.
    var cachedBytes: Int64 { cache.total }

    /// Makes all inputs of a lease available, and lays its checkpoint out. On failure nothing stays in use.
    /// - Throws: `bad_input`, `no_volume`, `bad_image`, `digest_mismatch`, `cache_full`, `download_failed`, `disk_failed`.
    func stage(_ lease: Lease, in place: AttemptPlace) async throws(WorkerFailure) -> StagedInputs {
        if let mistake = InputName.mistake(in: lease.inputs) ?? InputName.mistake(in: lease.checkpointFiles) {
            throw WorkerFailure("bad_input", mistake)
        }
        var staged = StagedInputs()
        do throws(WorkerFailure) {
            let volumes = try volumes.inputs(of: lease)
            if let image = lease.image { try await stage(image: image, into: &staged) }
            let files = lease.inputs.filter { !$0.isFolder }
            let folders = lease.inputs.filter(\.isFolder).map { String($0.name.dropLast()) }
            try await fetchAll(files + lease.checkpointFiles, into: &staged)
            let links = files.map { InputTree.Link(source: cache.path(Self.key($0)), name: $0.name) }
            try await bind(links, folders: folders, volumes: volumes, in: place, into: &staged)
            if !lease.checkpointFiles.isEmpty {
                let files = lease.checkpointFiles.map {
                    InputTree.Link(source: cache.path(Self.key($0)), name: $0.name)
                }
                try await InputTree.copy(files, below: place.checkpoint)
            }
            return staged
        } catch {
            release(staged)
            throw error
        }
    }

    /// Gives files and folders their names below the work folder.
    private func bind(
        _ links: [InputTree.Link], folders: [String], volumes: [SandboxInput], in place: AttemptPlace,
        into staged: inout StagedInputs
    ) async throws(WorkerFailure) {
        if links.count + folders.count <= Self.bindLimit {
            staged.inputs = links.map { SandboxInput(hostPath: $0.source, name: $0.name) }
            staged.inputs += folders.map { SandboxInput(hostPath: cache.emptyFolder, name: $0) }
        } else {
            // A volume that lies beside files of the tree is bound over a folder of it.
            let tops = Set(links.map { $0.name.split(separator: "/")[0] })
            let beside = volumes.map(\.name).filter { tops.contains($0.split(separator: "/")[0]) }
            staged.hasTree = true
            staged.inputs = try await InputTree.make(
                links, folders: folders + beside, in: place, limit: Self.treeBindLimit)
        }
        staged.inputs += volumes
    }

    /// Brings what is sealed of a private task here, and opens it.
    /// - Throws: `bad_seal`, `bad_input`, and what ``stage(_:in:)`` throws.
    func unseal(_ lease: Lease, by opening: BundleOpening, into staged: inout StagedInputs)
        async throws(WorkerFailure) -> OpenedTask
    {
        try await fetchAll(lease.inputs.filter { !$0.isFolder } + lease.checkpointFiles, into: &staged)
        let paths = Dictionary(
            (lease.inputs + lease.checkpointFiles).map { ($0.digest, cache.path(Self.key($0))) }
        ) { first, _ in first }
        let opened = try await Disk.offload { () throws(WorkerFailure) in try opening.open(lease, paths: paths) }
        let own = opened.lease
        let named = opened.links.map { LeaseInput(name: $0.name, digest: .zero, size: 0, executable: false) }
        if let mistake = InputName.mistake(in: named + own.inputs.filter(\.isFolder)) {
            throw WorkerFailure("bad_input", mistake)
        }
        return opened
    }

    /// Gives what was opened its names below the work folder.
    func stage(
        _ opened: OpenedTask, in place: AttemptPlace, into staged: inout StagedInputs
    ) async throws(WorkerFailure) {
        let volumes = try volumes.inputs(of: opened.lease)
        try await bind(opened.links, folders: opened.folders, volumes: volumes, in: place, into: &staged)
    }

    func release(_ staged: StagedInputs) {
        for key in staged.keys { cache.release(key) }
    }

    static func key(_ input: LeaseInput) -> ContentCache.Key {
        ContentCache.Key(digest: input.digest, executable: input.executable)
    }

    private func fetchAll(_ inputs: [LeaseInput], into staged: inout StagedInputs) async throws(WorkerFailure) {
        var missing: [LeaseInput] = []
        for input in inputs {
            let key = Self.key(input)
            if cache[key]?.isVerified == true {
                cache.use(key, at: client.clock.sinceBoot)
                staged.keys.append(key)
            } else {
                missing.append(input)
            }
        }
        guard !missing.isEmpty else { return }
        let results = await withTaskGroup(of: (ContentCache.Key, Result<Int64, WorkerFailure>).self) { group in
            var results: [(ContentCache.Key, Result<Int64, WorkerFailure>)] = []
            for (number, input) in missing.enumerated() {
                if number >= Self.parallelDownloads, let result = await group.next() { results.append(result) }
                group.addTask { (Self.key(input), await self.obtain(input)) }
            }
            for await result in group { results.append(result) }
            return results
        }
        for case (let key, .success(let bytes)) in results {
            staged.keys.append(key)
            staged.downloaded += bytes
        }
        for (_, result) in results { _ = try result.get() }
    }

    /// Waits until the content is there, and uses it. The number of bytes is 0 unless this call fetched them.
    func obtain(_ input: LeaseInput) async -> Result<Int64, WorkerFailure> {
        let key = Self.key(input)
        var fetched: Int64 = 0
        while true {
            if cache[key]?.isVerified == true {
                cache.use(key, at: client.clock.sinceBoot)
                return .success(fetched)
            }
            if let fetch = fetches[key] {
                if case .failure(let failure) = await fetch.value { return .failure(failure) }
            } else {
                // Waited for right below, and by every other task that wants the same content.
                let fetch = Task { await self.fetch(key, size: input.size) }
                fetches[key] = fetch
                let result = await fetch.value
                fetches[key] = nil
                guard case .success(let bytes) = result else { return result }
                fetched = bytes
            }
        }
    }

    private func fetch(_ key: ContentCache.Key, size: Int64) async -> Result<Int64, WorkerFailure> {
        do throws(WorkerFailure) {
            if cache[key] != nil {
                if try await isIntact(key) {
                    cache.markVerified(key)
                    return .success(0)
                }
                cache.remove(key)
            }
            let twin = ContentCache.Key(digest: key.digest, executable: !key.executable)
            let source = cache[twin]?.isVerified == true ? cache.path(twin) : nil
            try cache.reserve(size)
            do throws(WorkerFailure) {
                if let source {
                    try await place(key, copyOf: source)
                } else {
                    try await download(key, size: size)
                }
            } catch {
                cache.giveBack(size)
                throw error
            }
            cache.add(key, size: size, at: client.clock.sinceBoot)
            return .success(source == nil ? size : 0)
        } catch {
            return .failure(error)
        }
    }

    private func isIntact(_ key: ContentCache.Key) async throws(WorkerFailure) -> Bool {
        let path = cache.path(key)
        return try await Disk.offload { () throws(WorkerFailure) in try Disk.digest(path: path).digest == key.digest }
    }

    private func place(_ key: ContentCache.Key, copyOf source: String) async throws(WorkerFailure) {
        let (draft, target) = (cache.partialPath(key) + ".copy", cache.path(key))
        try await Disk.offload { () throws(WorkerFailure) in
            let file = open(source, O_RDONLY | O_CLOEXEC)
            guard file >= 0 else { throw Disk.failure("could not be read", source) }
            defer { close(file) }
            unlink(draft)
            try Disk.copy(from: file, to: draft, mode: key.executable ? 0o555 : 0o444)
            try Self.put(draft, at: target)
        }
    }

    private static func put(_ draft: String, at target: String) throws(WorkerFailure) {
        if let slash = target.lastIndex(of: "/") { try Disk.makeFolder(String(target[..<slash])) }
        guard rename(draft, target) == 0 else { throw Disk.failure("could not be put in place", target) }
    }

    // MARK: - Downloading

    /// Goes on where an interrupted download stopped; the whole is hashed before it gets its name.
    private func download(_ key: ContentCache.Key, size: Int64) async throws(WorkerFailure) {
        let (partial, target) = (cache.partialPath(key), cache.path(key))
        var offset = min(Disk.size(partial) ?? 0, size)
        if offset == 0 { unlink(partial) }
        while offset < size || offset == 0 {
            let wanted = Int(min(Int64(bandwidth.piece(Self.pieceBytes)), size - offset))
            let at = offset
            await bandwidth.admit(wanted)
            let piece = wanted == 0 ? [] : try await piece(of: key.digest, at: at, count: wanted)
            try await Disk.offload { () throws(WorkerFailure) in
                let file = open(partial, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
                guard file >= 0, lseek(file, off_t(at), SEEK_SET) == off_t(at) else {
                    throw Disk.failure("could not be written", partial)
                }
                defer { close(file) }
                try Disk.write(piece[...], to: file, path: partial)
            }
            offset += Int64(piece.count)
            if piece.isEmpty { break }
        }
        try await Disk.offload { () throws(WorkerFailure) in
            let (digest, found) = try Disk.digest(path: partial)
            guard digest == key.digest, found == size else {
                unlink(partial)
                throw WorkerFailure(
                    "digest_mismatch", "the content of \(key.digest) (\(size) bytes) came as \(digest) (\(found) bytes)"
                )
            }
            guard chmod(partial, key.executable ? 0o555 : 0o444) == 0 else {
                throw Disk.failure("could not be given its mode", partial)
            }
            try Self.put(partial, at: target)
        }
    }

    private func piece(of digest: Digest, at offset: Int64, count: Int) async throws(WorkerFailure) -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        for failures in 1... {
            do {
                let piece = try await client.download(digest, offset: offset, length: count)
                guard piece.count == count else {
                    throw WorkerFailure(
                        "digest_mismatch",
                        "\(digest): wanted \(count) bytes at \(offset), the coordinator sent \(piece.count)")
                }
                return piece
            } catch let failure as WorkerFailure {
                throw failure
            } catch {
                let refusal = Refusal(error)
                guard refusal.isPassing, failures < Self.tries, !Task.isCancelled else {
                    throw WorkerFailure("download_failed", "\(digest): \(refusal.words)")
                }
                try? await Task.sleep(for: retry.wait(afterFailures: failures, using: &generator).duration)
            }
        }
        preconditionFailure("the loop over tries ends by returning or throwing")
    }
}
