import Foundation

/// What this process sees of its machine.
enum CurrentMachine {
    static var processors: Int { ProcessInfo.processInfo.activeProcessorCount }
}
