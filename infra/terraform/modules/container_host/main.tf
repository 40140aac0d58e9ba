# What cloud-init writes on a machine with Container-Optimized OS so that it runs containers as systemd units.
#
# /etc is empty again after each start, and cloud-init runs again. Nothing can be executed in /etc or /var, so
# that bash is told to read the scripts. Docker's credentials helper needs a home, which is /var/lib/trivia. The whole
# is made by yamlencode: no value can become another key.

locals {
  registry = split("/", var.image)[0]
  folder   = "/etc/trivia"
  gpu      = var.gpu_driver_version != null

  scripts = merge(
    { for name in ["open-ports", "fetch-image", "until-success"] : name => file("${path.module}/files/${name}.sh") },
    local.gpu ? { install-gpu-driver = file("${path.module}/files/install-gpu-driver.sh") } : {},
    var.spot ? { not-preempted = file("${path.module}/files/not-preempted.sh") } : {},
  )

  setup_units = merge(
    {
      trivia-firewall = {
        description = "Let in what the containers answer"
        after       = "network-online.target"
        command     = "open-ports.sh ${join(" ", var.ports)}"
        timeout     = 60
      }
      # Beside the driver's installation and not after it.
      trivia-image = {
        description = "Fetch the containers' image"
        after       = "gcr-online.target docker.service"
        command     = "fetch-image.sh ${var.image} ${local.registry}"
        timeout     = 600
      }
    },
    local.gpu ? {
      trivia-gpu-driver = {
        description = "Install the GPU driver"
        after       = "gcr-online.target docker.service"
        command     = "install-gpu-driver.sh ${var.gpu_driver_version}"
        timeout     = 600
      }
    } : {},
  )

  gpu_arguments = [
    "--device /dev/nvidia0:/dev/nvidia0",
    "--device /dev/nvidiactl:/dev/nvidiactl",
    "--device /dev/nvidia-uvm:/dev/nvidia-uvm",
    "--volume /var/lib/nvidia/lib64:/usr/local/nvidia/lib64:ro",
    "--volume /var/lib/nvidia/bin:/usr/local/nvidia/bin:ro",
  ]

  # Everything that is written is in volumes of the container's own, which go with it: on the disk, since
  # unfinished videos would fill the memory.
  arguments = {
    for name, container in var.containers : name => concat(
      [
        "--rm",
        "--name trivia-${name}",
        "--network host",
        "--env-file ${local.folder}/${name}.env",
        "--stop-timeout ${local.stop_seconds}",
        "--memory ${container.memory_mb}m",
        "--memory-swap ${container.memory_mb}m",
        "--pids-limit ${container.processes}",
        "--cap-drop ALL",
        "--security-opt no-new-privileges",
        "--read-only",
        "--volume /tmp",
        "--volume /var/lib/trivia",
        # The image's own check is for Docker alone; what acts here is the group's.
        "--no-healthcheck",
        # For `docker logs` on the machine; Cloud Logging gets the lines by way of the journal.
        "--log-driver json-file",
        "--log-opt max-size=10m",
        "--log-opt max-file=2",
      ],
      local.gpu ? local.gpu_arguments : [],
    )
  }

  # A worker gives its jobs back within 10 s; systemd waits for Docker, which waits for the container.
  stop_seconds      = 25
  unit_stop_seconds = 40

  environments = {
    for name, container in var.containers : name => merge(
      container.environment,
      length(container.secrets) == 0 ? {} : {
        TRIVIA_SECRETS = join(",", [for variable, version in container.secrets : "${variable}=${version}"])
      },
    )
  }

  units = concat(
    [for name in keys(local.setup_units) : "${name}.service"],
    [for name in keys(var.containers) : "trivia-${name}.service"],
  )

  # Why a container does not start is in Docker's own lines.
  logged_units = concat(local.units, ["docker.service"])

  user_data = join("\n", ["#cloud-config", yamlencode({
    write_files = concat(
      [
        {
          path        = "/etc/fluent-bit/fluent-bit.conf"
          permissions = "0644"
          owner       = "root:root"
          content     = templatefile("${path.module}/templates/fluent-bit.conf.tftpl", { units = local.logged_units })
        },
        {
          path        = "/etc/fluent-bit/parsers-trivia.conf"
          permissions = "0644"
          owner       = "root:root"
          content     = file("${path.module}/files/parsers-trivia.conf")
        },
      ],
      [for name, text in local.scripts : {
        path        = "${local.folder}/${name}.sh"
        permissions = "0644"
        owner       = "root:root"
        content     = text
      }],
      [for name, environment in local.environments : {
        path        = "${local.folder}/${name}.env"
        permissions = "0600"
        owner       = "root:root"
        content     = join("", [for key, value in environment : "${key}=${value}\n"])
      }],
      [for name, unit in local.setup_units : {
        path        = "/etc/systemd/system/${name}.service"
        permissions = "0644"
        owner       = "root:root"
        content     = templatefile("${path.module}/templates/setup.service.tftpl", merge(unit, { folder = local.folder }))
      }],
      [for name, container in var.containers : {
        path        = "/etc/systemd/system/trivia-${name}.service"
        permissions = "0644"
        owner       = "root:root"
        content = templatefile("${path.module}/templates/container.service.tftpl", {
          name        = name
          description = container.description
          once        = container.once
          requires    = concat(local.gpu ? ["trivia-gpu-driver.service"] : [], [for other in container.after : "trivia-${other}.service"])
          spot        = var.spot
          folder      = local.folder
          image       = var.image
          registry    = local.registry
          arguments   = join(" ", local.arguments[name])
          command     = join(" ", container.command)
          # Docker's stop-timeout, and time for Docker itself.
          stop_seconds = local.unit_stop_seconds
        })
      }],
    )
    runcmd = [
      ["systemctl", "daemon-reload"],
      # It was started before its configuration was written.
      ["systemctl", "restart", "--no-block", "fluent-bit.service"],
      concat(["systemctl", "start", "--no-block"], local.units),
    ]
  })])
}
