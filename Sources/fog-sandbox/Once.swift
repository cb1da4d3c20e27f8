import CFog
import FogSandboxPlan
import Glibc

/// `exec`: reads a template and a launch, each after its 32-bit little-endian length, runs the task on this process's
/// own standard descriptors, and answers with the task's exit code (128 + signal; 125 for the launcher's own errors).
func runOnce(socket: Int32) -> Int32 {
    guard let first = readPlan(from: socket), let second = readPlan(from: socket) else {
        complain("fog-sandbox: descriptor 3 holds no plan\n")
        return 125
    }
    var channel: [Int32] = [-1, -1]
    guard fog_packet_pair(&channel) == 0 else { return 125 }
    do throws(PlanFailure) {
        var reader = try PlanReader(UnsafeRawBufferPointer(first))
        guard reader.kind == PlanKind.template.rawValue else { throw .foreign(at: 6) }
        var template = Template()
        let step = template.enter(try TemplateView(&reader))
        guard step == 0 else { return refuse(step, errno) }
        reader = try PlanReader(UnsafeRawBufferPointer(second))
        guard reader.kind == PlanKind.launch.rawValue else { throw .foreign(at: 6) }
        let view = try LaunchView(&reader)
        var descriptors: [Int32] = [0, 1, 2]
        var prepared: PreparedSandbox?
        let starter = TaskStarter(template: template, socket: channel[1])
        switch starter.start(view, UnsafeRawBufferPointer(second), &descriptors, in: &prepared) {
        case .started(let pid, _): return awaitEnd(of: pid, on: channel[0])
        case .failed(let step, let error): return refuse(Int32(step.rawValue), error)
        }
    } catch {
        complain("fog-sandbox: not a plan: \(error)\n")
        return 125
    }
}

private func refuse(_ step: Int32, _ error: Int32) -> Int32 {
    complain("fog-sandbox: step \(step) failed: \(String(cString: strerror(error)))\n")
    return 125
}

private func awaitEnd(of pid: pid_t, on channel: Int32) -> Int32 {
    var report = fog_report()
    var count: Int32 = 0
    var none: [Int32] = [-1]
    var ignored: Int32 = 0
    _ = fog_wait_status(pid, &ignored, 0)
    // Init reported before it left; nothing there means that it was killed.
    let length = fog_receive(
        channel, &report, MemoryLayout<fog_report>.size, &none, 1, &count, Int32(MSG_DONTWAIT))
    guard length == MemoryLayout<fog_report>.size else { return 128 + SIGKILL }
    if report.step == Int32(FOG_STEP_EXECUTE.rawValue) { return report.error == ENOENT ? 127 : 126 }
    guard report.step == 0 else { return refuse(report.step, report.error) }
    let signal = report.status & 0x7f
    return signal == 0 ? (report.status >> 8) & 0xff : 128 + signal
}

/// The memory is never freed: the plan lasts as long as the process.
private func readPlan(from descriptor: Int32) -> UnsafeMutableRawBufferPointer? {
    var length: UInt32 = 0
    guard readFully(descriptor, &length, 4) else { return nil }
    let count = Int(UInt32(littleEndian: length))
    guard count <= PlanLimits.bytes else { return nil }
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 16)
    guard let base = memory.baseAddress, readFully(descriptor, base, count) else { return nil }
    return memory
}

private func readFully(_ descriptor: Int32, _ memory: UnsafeMutableRawPointer, _ count: Int) -> Bool {
    var done = 0
    while done < count {
        let length = read(descriptor, memory + done, count - done)
        if length < 0, errno == EINTR { continue }
        guard length > 0 else { return false }
        done += length
    }
    return true
}
