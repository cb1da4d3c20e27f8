import FogCore
import FogJobs
import FogSandbox
import Testing

@testable import FogWorker

@Suite("How an attempt ended")
struct OutcomeReadingTests {
    private func read(
        _ result: SandboxResult, _ lease: Lease = Sample.lease(), wish: EndWish? = nil, leftCheckpoint: Bool = false
    ) -> (outcome: Outcome, detail: String?) {
        OutcomeReading.outcome(of: result, lease: lease, wish: wish, leftCheckpoint: leftCheckpoint)
    }

    @Test("Exit codes, signals and limits")
    func endings() {
        #expect(read(Sample.result(.exited, exitCode: 0)).outcome == .success)
        #expect(read(Sample.result(.exited, exitCode: 3)).outcome == .exitNonzero)
        #expect(read(Sample.result(.signaled, signal: 11)).outcome == .signaled)
        #expect(read(Sample.result(.timeout)).outcome == .timeout)
        #expect(read(Sample.result(.cpuTimeout)).outcome == .timeout)
        #expect(read(Sample.result(.outOfMemory)).outcome == .outOfMemory)
        #expect(read(Sample.result(.diskExceeded)).outcome == .diskExceeded)
        #expect(read(Sample.result(.violation)).outcome == .sandboxViolation)
    }

    @Test("The checkpoint's exit code counts only when there is a checkpoint")
    func checkpoint() {
        #expect(read(Sample.result(.exited, exitCode: 85), leftCheckpoint: true).outcome == .checkpointed)
        let empty = read(Sample.result(.exited, exitCode: 85))
        #expect(empty.outcome == .exitNonzero)
        #expect(empty.detail?.contains("FOG_CHECKPOINT_DIR is empty") == true)
    }

    @Test(
        "A program that is nowhere is the job's fault; one the job brought and that cannot start here is the machine's",
        arguments: [
            ("nosuchprog", false, Outcome.exitNonzero), ("/usr/bin/nosuchprog", false, .exitNonzero),
            ("./tool", false, .exitNonzero), ("./tool", true, .launchFailed), ("/work/tool", true, .launchFailed),
        ])
    func missingProgram(program: String, isBrought: Bool, outcome: Outcome) {
        let inputs = isBrought ? [Sample.input("tool", executable: true)] : []
        let lease = Sample.lease([program], inputs: inputs)
        #expect(read(Sample.result(.notFound), lease).outcome == outcome)
        #expect(read(Sample.result(.notExecutable), lease).outcome == outcome)
        #expect(read(Sample.result(.notFound), lease).detail?.contains(program) == true)
    }

    @Test("A program that machines are asked for by name is named as such")
    func advice() {
        #expect(read(Sample.result(.notFound), Sample.lease(["ffmpeg"])).detail?.contains("requires: [ffmpeg]") == true)
    }

    @Test("What the agent killed ended for the agent's reason; what somebody else killed, by a signal")
    func killed() {
        let wish = EndWish.reporting(.evictedUser, detail: "keyboard")
        #expect(read(Sample.result(.killed), wish: wish) == (.evictedUser, "keyboard"))
        #expect(read(Sample.result(.killed)).outcome == .signaled)
    }
}
