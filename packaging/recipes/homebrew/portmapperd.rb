# Untested. `brew update-python-resources portmapperd` adds the resources of the dependencies.
class Portmapperd < Formula
  include Language::Python::Virtualenv

  desc "Keeps ports open on the NAT gateway: PCP, NAT-PMP and UPnP IGD"
  homepage "ADDRESS"
  url "ADDRESS/releases/download/v0.2.0/portmapperd-0.2.0.tar.gz"
  sha256 "HASH"
  license "MIT"

  depends_on "python@3.13"

  def install
    virtualenv_install_with_resources
    (etc/"portmapper").install "packaging/debian/portmapper.toml", "packaging/debian/ports.csv"
  end

  service do
    run [opt_bin/"portmapper", "run", "--config", etc/"portmapper/portmapper.toml", "--state-dir", var/"portmapper"]
    keep_alive successful_exit: false
    log_path var/"log/portmapper.log"
    error_log_path var/"log/portmapper.log"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/portmapperd --version")
    system bin/"portmapper", "demo"
  end
end
