import Foundation

/// The environment of this process: read here and nowhere below.
enum CurrentEnvironment {
    static var variables: [String: String] { ProcessInfo.processInfo.environment }
}
