internal import FogCommandLine
internal import FogCore
internal import FogJobs
internal import FogManifestFile
internal import FogSandbox

/// Reads a job's images as a worker will, before they are sent: what a worker would refuse is said here, at once and
/// with the entry's name.
enum ImageCheck {
    /// The paths of a job's images, each once, as the manifest has them.
    static func sources(of spec: JobSpec) -> [String] {
        let paths = spec.steps.compactMap { step -> String? in
            guard case .source(let text) = step.image, case .local(let path)? = try? InputSource(text) else {
                return nil
            }
            return path
        }
        return Set(paths).sorted()
    }

    /// - Parameter place: where the file lies.
    /// - Throws: `bad_image`.
    static func check(_ source: String, at place: String) throws(CommandLineFailure) {
        do throws(SandboxFailure) {
            _ = try ImagePlan(try ImageArchive(path: place), architecture: nil)
        } catch {
            throw CommandLineFailure(
                error.code, "the image \(source) would be refused by every machine: \(error.message)",
                help: "an image is a tar of a root file system, plain or by gzip, or of an OCI layout", status: .badData
            )
        }
    }
}
