internal import ArgumentParser
internal import CFog
import Dispatch
internal import FogCommandLine
internal import FogCore
internal import FogJobs
internal import FogSandbox
internal import FogSandboxPlan
import Glibc
internal import Synchronization

/// Runs the commands of `fog-sandbox run`, on launchers that stand ready.
final class SandboxDoor: Sendable {
    let path: String
    private let listener: Int32
    private let host: SandboxHost
    private let profiles: String
    private let state: Mutex<State>
    /// Dispatch's sources may be used from any thread; they only do not say so.
    nonisolated(unsafe) private let source: any DispatchSourceRead

    private struct State {
        var free: [Int]
        var waiting: [CheckedContinuation<Int, Never>] = []
        /// By their options and folder: what they mean, as long as the profile's file is the same.
        var known: [[String]: Known] = [:]
    }

    private struct Known {
        let profile: SandboxProfile
        let file: FileMark
        let task: SandboxTask
    }

    /// Tells whether a file was written since.
    private struct FileMark: Equatable {
        let inode: UInt64
        let size: Int
        let seconds: Int
        let nanoseconds: Int

        init?(_ path: String) {
            var status = stat()
            guard stat(path, &status) == 0 else { return nil }
            (inode, size) = (UInt64(status.st_ino), Int(status.st_size))
            (seconds, nanoseconds) = (status.st_mtim.tv_sec, status.st_mtim.tv_nsec)
        }
    }

    /// Calls that wait for a slot; the next is sent elsewhere.
    private static let mostWaiting = 256
    private static let mostKnown = 64
    /// For a client to say what it wants, once it is there: it has nothing to wait for.
    private static let patienceMilliseconds: Int32 = 500
    /// What is about the sandbox alone. All else is for `fog sandbox run`.
    private static let options: Set<Substring> = [
        "--profile", "--work", "--input", "--memory", "--cpu", "--disk", "--time", "--pids", "--env", "--kill-grace",
    ]

    /// - Parameters:
    ///   - folder: where the socket is.
    ///   - cache: where compiled filters are kept.
    /// - Throws: `already_running`, `unwritable` without a socket, and what ``SandboxHost`` throws.
    init(folder: String, cache: String, profiles: String, slots: Int) throws {
        try Disk.makeFolder(folder, mode: 0o700)
        path = "\(folder)/\(RunCall.socketName)"
        self.profiles = profiles
        let other = fog_door_connect(folder, RunCall.socketName)
        guard other < 0 else {
            Glibc.close(other)
            throw CommandLineFailure("already_running", "another `fog sandbox serve` listens on \(path)")
        }
        var options = SandboxHost.Options()
        if (try? Disk.makeFolder(cache, mode: 0o700)) != nil { options.filterFolder = "\(cache)/filters" }
        host = try SandboxHost(launcherPath: Launcher.locate(), options: options)
        listener = fog_door_listen(folder, RunCall.socketName)
        guard listener >= 0 else { throw CommandLineFailure("unwritable", "\(path): \(Disk.words())") }
        // The lowest is taken first: it is warm.
        state = Mutex(State(free: Array((0..<slots).reversed())))
        source = DispatchSource.makeReadSource(
            fileDescriptor: listener, queue: DispatchQueue(label: "fog.sandbox.door"))
    }

    func start() {
        source.setEventHandler { [self] in
            let line = fog_accept(listener)
            guard line >= 0 else { return }
            guard let call = receive(line) else { return _ = Glibc.close(line) }
            Task { await serve(call) }
        }
        // A number that is closed before the source lets go of it may be somebody else's by then.
        source.setCancelHandler { [listener] in Glibc.close(listener) }
        source.resume()
    }

    /// Takes no more calls, and ends those that run.
    func close() async {
        source.cancel()
        unlink(path)
        await host.shutdown()
    }

    // MARK: - A call

    private struct Call: Sendable {
        let line: Int32
        let call: RunCall
        /// The client's input, output, errors.
        let standard: [Int32]

        func answer(_ answer: RunAnswer) {
            let bytes = answer.encoded
            fog_send(line, bytes, bytes.count, [], 0)
        }

        func note(_ words: String) {
            let bytes = Array((words + "\n").utf8)
            _ = write(standard[2], bytes, bytes.count)
        }
    }

    private func receive(_ line: Int32) -> Call? {
        guard fog_peer_is_own(line) == 1 else { return nil }
        var polled = pollfd(fd: line, events: Int16(POLLIN), revents: 0)
        guard poll(&polled, 1, Self.patienceMilliseconds) == 1 else { return nil }
        var bytes = [UInt8](repeating: 0, count: PlanLimits.bytes)
        var (standard, count): ([Int32], Int32) = ([-1, -1, -1], 0)
        let length = fog_receive(line, &bytes, bytes.count, &standard, 3, &count, 0)
        let call = bytes.withUnsafeBytes { try? RunCall(UnsafeRawBufferPointer(rebasing: $0[..<max(0, length)])) }
        guard let call, count == 3 else {
            for descriptor in standard.prefix(Int(count)) { Glibc.close(descriptor) }
            return nil
        }
        return Call(line: line, call: call, standard: standard)
    }

    private func serve(_ call: Call) async {
        var answer = RunAnswer.elsewhere
        if let (profile, task) = understood(call.call), let index = await takeSlot() {
            do {
                answer = .ended(shellCode: try await run(task, profile, index, call))
            } catch {
                call.note("error: \(error)")
                answer = .ended(shellCode: UInt8(SandboxResult.ownError))
            }
            giveBack(index)
        }
        call.answer(answer)
        for descriptor in call.standard + [call.line] { Glibc.close(descriptor) }
    }

    private func run(_ task: SandboxTask, _ profile: SandboxProfile, _ index: Int, _ call: Call) async throws -> UInt8 {
        let slot = try await host.slot(profile: profile, index: index)
        var task = task
        let limit = profile.limits.standardOutputBytes
        let input = try StreamRelay.input(from: call.standard[0])
        let outputs = try call.standard.dropFirst().map {
            StreamRelay.leadsNowhere($0) ? nil : try StreamRelay.output(to: $0, limit: limit)
        }
        task.standardInput = input?.taskEnd ?? -1
        task.standardOutput = outputs[0]?.taskEnd ?? -1
        task.standardError = outputs[1]?.taskEnd ?? -1
        let client = ClientWatch(call.line, slot, grace: task.killGrace)
        defer { client.cancel() }
        let ran: Result<SandboxResult, any Error>
        do { ran = .success(try await slot.run(task)) } catch { ran = .failure(error) }
        for relay in [input] + outputs { relay?.release() }
        for relay in outputs { await relay?.finished() }
        let result = try ran.get()
        for (name, relay) in zip(["output", "error"], outputs) {
            guard let dropped = relay?.dropped, dropped > 0 else { continue }
            call.note("fog sandbox: \(dropped) bytes of standard \(name) were not passed on")
        }
        if let words = SandboxRun.words(result.ending) { call.note("fog sandbox: \(words)") }
        return UInt8(clamping: result.shellCode)
    }

    // MARK: - What it asks

    /// Nil when this is not the place for it.
    private func understood(_ call: RunCall) -> (SandboxProfile, SandboxTask)? {
        guard let mark = call.words.firstIndex(of: "--"), mark + 1 < call.words.count else { return nil }
        let options = call.words[..<mark], command = Array(call.words[(mark + 1)...])
        for word in options where word.hasPrefix("-") {
            guard let name = word.split(separator: "=", maxSplits: 1).first, Self.options.contains(name) else {
                return nil
            }
        }
        let key = [call.folder] + options
        let known = state.withLock { $0.known[key] }
        if let known, FileMark("\(profiles)/\(known.profile.name).json") == known.file {
            var task = known.task
            task.arguments = command
            return (known.profile, task)
        }
        guard let run = try? SandboxRun.parse(call.words), let task = try? run.task(in: call.folder),
            let profile = try? SandboxProfile.load(named: run.profile, from: profiles), profile.isolated,
            profile.network != .proxy, let file = FileMark("\(profiles)/\(profile.name).json")
        else { return nil }
        state.withLock { state in
            if state.known.count >= Self.mostKnown { state.known = [:] }
            state.known[key] = Known(profile: profile, file: file, task: task)
        }
        return (profile, task)
    }

    // MARK: - Slots

    /// Nil when too many wait already.
    private func takeSlot() async -> Int? {
        let isFull = state.withLock { $0.free.isEmpty && $0.waiting.count >= Self.mostWaiting }
        guard !isFull else { return nil }
        return await withCheckedContinuation { continuation in
            let index = state.withLock { state -> Int? in
                if let index = state.free.popLast() { return index }
                state.waiting.append(continuation)
                return nil
            }
            if let index { continuation.resume(returning: index) }
        }
    }

    private func giveBack(_ index: Int) {
        let next = state.withLock { state -> CheckedContinuation<Int, Never>? in
            guard !state.waiting.isEmpty else {
                state.free.append(index)
                state.free.sort(by: >)
                return nil
            }
            return state.waiting.removeFirst()
        }
        next?.resume(returning: index)
    }
}

/// Ends the command when its client is gone or passes a signal on: SIGTERM first, SIGKILL after the grace, at once when
/// asked a second time.
private final class ClientWatch {
    private let source: (any DispatchSourceRead)?

    init(_ line: Int32, _ slot: SandboxSlot, grace: TimeSpan) {
        // Its own, which it closes when it has let go of it: the call's is closed before.
        let line = fcntl(line, F_DUPFD_CLOEXEC, 0)
        guard line >= 0 else {
            source = nil
            return
        }
        let asked = Mutex(0)
        let source = DispatchSource.makeReadSource(
            fileDescriptor: line, queue: DispatchQueue(label: "fog.sandbox.client"))
        source.setEventHandler {
            var byte: UInt8 = 0
            let length = recv(line, &byte, 1, Int32(MSG_DONTWAIT))
            if length < 0, errno == EAGAIN || errno == EINTR { return }
            if length <= 0 { source.cancel() }
            let isFirst = asked.withLock { count in
                count += 1
                return count == 1
            }
            // Unstructured: a signal has no task to belong to; the run it ends is awaited by the call.
            Task { await slot.terminate(grace: isFirst ? grace : .zero) }
        }
        source.setCancelHandler { Glibc.close(line) }
        source.resume()
        self.source = source
    }

    func cancel() { source?.cancel() }
}
