import FogCore
import Glibc
import Testing

@testable import FogSandbox

/// A machine's owner comes first: what tasks do for that.
@Suite("How tasks yield", .timeLimit(.minutes(10)))
struct YieldTests {
    @Test("a task of the idle class has it for processor and disk, and cannot leave it")
    func idleClass() async throws {
        try await Fixture.with { fixture in
            let script = """
                import os, ctypes
                libc = ctypes.CDLL(None, use_errno=True)
                print(os.sched_getscheduler(0) == os.SCHED_IDLE, libc.syscall(252, 1, 0) >> 13)
                try:
                    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
                    print("left")
                except PermissionError:
                    print("stays")
                """
            let (_, idle) = try await fixture.run(["python3", "-c", script]) { $0.isIdle = true }
            #expect(idle == "True 3\nstays\n")
            let (_, ordinary) = try await fixture.run(["python3", "-c", script])
            #expect(ordinary.hasPrefix("False "))
        }
    }

    @Test("one order lets all tasks of an agent yield, and takes it back")
    func idleGroup() throws {
        let tree = CgroupTree()
        defer { tree.remove() }
        guard tree.missing[.cpu] == nil else { return #expect(!tree.setStanding(.idle)) }
        let slot = try tree.makeSlot("probe")
        defer { slot.remove() }
        let folders = slot.folders.map { String($0.dropLast("/probe".count)) }
        func yields() -> Bool {
            folders.contains { folder in
                Files.text(folder + "/cpu.idle") == "1\n"
                    || (Files.text(folder + "/cpu.idle") == nil
                        && ["1\n", "2\n"].contains(
                            Files.text(folder + "/cpu.weight") ?? Files.text(folder + "/cpu.shares")))
            }
        }
        #expect(!yields())
        #expect(tree.setStanding(.idle) && yields())
        #expect(tree.setStanding(.urgent) && !yields())
        #expect(tree.setStanding(.ordinary) && !yields())
    }

    @Test("a quota that was lifted to stop or kill a task comes back, at the latest with the next task")
    func quota() throws {
        let tree = CgroupTree()
        defer { tree.remove() }
        guard tree.missing[.cpu] == nil else { return }
        let slot = try tree.makeSlot("probe")
        defer { slot.remove() }
        func quota() -> Int64? {
            for folder in slot.folders {
                for name in ["/cpu.max", "/cpu.cfs_quota_us"] {
                    if let text = Files.text(folder + name) { return Int64(text.split { $0.isWhitespace }.first ?? "") }
                }
            }
            return nil
        }
        let limits = CgroupSlot.Limits(memory: 64 << 20, millicores: 500, pids: 8)
        try slot.apply(limits)
        #expect(quota() == 50_000)
        slot.setQuotaLifted(true)
        #expect(quota() ?? -1 == -1)
        slot.setQuotaLifted(false)
        #expect(quota() == 50_000)
        slot.setQuotaLifted(true)
        try slot.apply(limits)
        #expect(quota() == 50_000)
    }

    @Test("an evicted task may still save its work, even when it was frozen, and is killed when it does not go")
    func eviction() async throws {
        try await Fixture.with { fixture in
            let slot = try await fixture.host.slot(profile: try Fixture.profile(), index: 0)
            let mark = fixture.work("work-0") + "/up"
            let saving = Task {
                try await fixture.shell("trap 'echo saved; exit 85' TERM; touch up; while :; do :; done")
            }
            try await appears(mark)
            slot.freeze()
            await slot.evict(grace: .minutes(5), cpu: Millicores(50))
            let (saved, words) = try await saving.value
            #expect(saved.ending == .killed && saved.exitCode == 85 && words == "saved\n")
            unlink(mark)
            let deaf = Task { try await fixture.shell("trap '' TERM; touch up; while :; do :; done") }
            try await appears(mark)
            await slot.evict(grace: .milliseconds(50), cpu: Millicores(50))
            let end = try await deaf.value.result
            #expect(end.ending == .killed && end.signal == Int(SIGKILL))
        }
    }
}
