import FogCore
import Glibc

/// The sensors of a Linux machine.
///
/// One thread waits for input, for a plug, for pressure and for the next sample, and reads what the kernel keeps at
/// hand; what may hang in a driver (batteries, temperatures) is read on threads beside it.
package final class LinuxSensors: HarvestSensors {
    /// Between samples while tasks run, and while none does.
    static let pace = (busy: TimeSpan.seconds(1), idle: TimeSpan.seconds(10))
    /// Batteries are slow to ask and slow to change; the kernel tells when a plug is pulled.
    static let powerPace = TimeSpan.seconds(10)

    private let roots: SensorRoots
    private let control = SensorControl()

    package init(_ roots: SensorRoots = SensorRoots()) { self.roots = roots }

    package func tasksRun(_ areRunning: Bool) { control.set(tasksRun: areRunning) }

    package func readings() -> AsyncStream<HarvestReading> {
        // A reading holds all that the ones before it said: who is slow gets the newest.
        AsyncStream(bufferingPolicy: .bufferingNewest(1)) { continuation in
            continuation.onTermination = { [control] _ in control.stop() }
            let start = ThreadStart(roots: roots, control: control, continuation: continuation)
            var thread = pthread_t()
            let context = Unmanaged.passRetained(start)
            let result = pthread_create(
                &thread, nil,
                { pointer in
                    guard let pointer else { return nil }
                    let start = Unmanaged<ThreadStart>.fromOpaque(pointer).takeRetainedValue()
                    var loop = SensorLoop(start.roots, start.control, start.continuation)
                    loop.run()
                    return nil
                }, context.toOpaque())
            guard result == 0 else {
                context.release()
                continuation.finish()
                return
            }
            pthread_detach(thread)
        }
    }

    private final class ThreadStart: Sendable {
        let roots: SensorRoots
        let control: SensorControl
        let continuation: AsyncStream<HarvestReading>.Continuation

        init(roots: SensorRoots, control: SensorControl, continuation: AsyncStream<HarvestReading>.Continuation) {
            self.roots = roots
            self.control = control
            self.continuation = continuation
        }
    }
}
