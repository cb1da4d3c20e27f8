internal import CFog
internal import FogCommandLine
import Foundation

/// A network of two hosts on this machine: it and a namespace, with a cable between them that can be pulled.
///
/// A peer behind a pulled cable vanishes as a laptop does whose lid is shut: no FIN, no reset, no answer.
final class BenchNetwork {
    /// This machine's end, from the addresses that RFC 2544 sets aside for benches: 198.18.77.1.
    static let here: in_addr_t = 0xc612_4d01
    static let hereText = "198.18.77.1"
    private static let there = "198.18.77.2"

    private let name = "fogbench\(getpid())"
    private let inner: Int32
    private let outer: Int32

    /// - Throws: `bench_failed` where namespaces or their links cannot be made.
    init() throws {
        try Self.ip(["netns", "add", name])
        do {
            // A link's name has at most 15 letters.
            let link = "fogb\(getpid())"
            try Self.ip(["link", "add", link, "type", "veth", "peer", "name", "up0", "netns", name])
            try Self.ip(["address", "add", "\(Self.hereText)/30", "dev", link])
            try Self.ip(["link", "set", link, "up"])
            try Self.ip(["-n", name, "address", "add", "\(Self.there)/30", "dev", "up0"])
            try Self.ip(["-n", name, "link", "set", "up0", "up"])
            inner = open("/run/netns/\(name)", O_RDONLY | O_CLOEXEC)
            outer = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
            guard inner >= 0, outer >= 0 else {
                throw CommandLineFailure("bench_failed", "the namespace \(name) cannot be opened: \(Disk.words())")
            }
        } catch {
            try? Self.ip(["netns", "delete", name])
            throw error
        }
    }

    deinit {
        close(inner)
        close(outer)
        // The link goes with the namespace, once the last socket in it is closed.
        try? Self.ip(["-n", name, "link", "delete", "up0"])
        try? Self.ip(["netns", "delete", name])
    }

    /// Runs the body on a thread that stands in the namespace meanwhile; a socket stays where it was made.
    func inside(_ body: () -> Int32) throws -> Int32 {
        guard fog_enter_network(inner) == 0 else {
            throw CommandLineFailure("bench_failed", "the namespace \(name) cannot be entered: \(Disk.words())")
        }
        let value = body()
        precondition(fog_enter_network(outer) == 0, "a thread leaves the namespace that it entered")
        return value
    }

    func pullCable() throws { try Self.ip(["-n", name, "link", "set", "up0", "down"]) }

    private static func ip(_ words: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["ip"] + words
        process.standardInput = FileHandle.nullDevice
        let errors = Pipe()
        process.standardError = errors
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        let said = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw CommandLineFailure(
                "bench_failed",
                "ip \(words.joined(separator: " ")): \(DisplayText.clean(said.trimmingCharacters(in: .newlines)))",
                help: "--vanish makes a network namespace: it wants root, and the package iproute2")
        }
    }
}
